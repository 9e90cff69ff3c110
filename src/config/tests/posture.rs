//! Who can call at all.

use super::*;

const GET_SECRET: &str = "GetSecret/function.json";
const PREFLIGHT: &str = "Preflight/function.json";

fn function(level: &str, methods: &str) -> String {
    format!(r#"{{"bindings":[{{"type":"httpTrigger","authLevel":"{level}"{methods}}}]}}"#)
}

/// The app's own functions, with `files` over them, under the host.
fn app(files: &[(&str, &str)], changes: Changes<'_>) -> Result<Config, Findings> {
    let own = functions("function", "anonymous");
    let own = own.iter().map(|(path, text)| (*path, text.as_str()));
    let all: Vec<_> = own.chain(files.iter().copied()).collect();
    config_with_files(
        &[&[("FUNCTIONS_CUSTOMHANDLER_PORT", Some("1234"))], changes].concat(),
        &all,
    )
}

/// The files that the faults are about.
fn faulty(read: Result<Config, Findings>) -> Vec<String> {
    let findings = read.err().unwrap_or_default();
    findings.faults.into_iter().map(|fault| fault.setting).collect()
}

#[test]
fn nothing_but_cors_before_the_secrets_is_a_fault() {
    let anonymous = [("DANGEROUSLY_ALLOW_ANONYMOUS", Some("true"))];
    assert!(under_host("function", "anonymous", &[]).is_ok());
    assert!(under_host("anonymous", "anonymous", &[]).is_err());
    assert!(under_host("anonymous", "anonymous", &anonymous).is_ok());
    assert!(under_host("function", "function", &[]).is_err());
    assert!(under_host("function", "function", &anonymous).is_err());

    // Without the host the file may be missing, but what it says still holds.
    let files = functions("anonymous", "anonymous");
    let files: Vec<_> = files.iter().map(|(path, text)| (*path, text.as_str())).collect();
    assert!(config_with_files(&[], &files).is_err());
    assert!(config_with_files(&anonymous, &files).is_ok());
}

#[test]
fn under_the_host_both_function_files_must_be_readable() {
    let port = [("FUNCTIONS_CUSTOMHANDLER_PORT", Some("1234"))];
    assert_eq!(faulty(config_with_files(&port, &[])), [GET_SECRET, PREFLIGHT]);

    let settings = [
        ("KEY_VAULT_URL", "https://kv.vault.azure.net"),
        ("ALLOWED_SECRETS", "maps-key"),
        ("ALLOWED_ORIGINS", "https://contoso.com"),
        ("FUNCTIONS_CUSTOMHANDLER_PORT", "1234"),
    ];
    let settings = settings.map(|(name, value)| (name.to_owned(), value.to_owned()));
    let denied = || Err(std::io::ErrorKind::PermissionDenied.into());
    let files = [GET_SECRET, PREFLIGHT].map(|path| (path.to_owned(), denied()));
    let read = Config::read(&settings.into(), &files.into());
    assert_eq!(faulty(read), [GET_SECRET, PREFLIGHT]);
}

#[test]
fn preflight_takes_options_and_nothing_else() {
    for methods in [
        "",
        r#","methods":null"#,
        r#","methods":[]"#,
        r#","methods":["options","get"]"#,
        r#","methods":["OPTIONS","HEAD"]"#,
        r#","methods":["get"]"#,
        r#","methods":"options""#,
    ] {
        let file = function("anonymous", methods);
        assert_eq!(faulty(app(&[(PREFLIGHT, &file)], &[])), [PREFLIGHT], "{methods}");
        // It is one without the host too: the files are published as they are.
        assert_eq!(
            faulty(config_with_files(&[], &[(PREFLIGHT, &file)])),
            [PREFLIGHT],
            "{methods}"
        );
    }
    for methods in [r#","methods":["OPTIONS"]"#, r#","METHODS":["options","options"]"#] {
        assert!(
            app(&[(PREFLIGHT, &function("anonymous", methods))], &[]).is_ok(),
            "{methods}"
        );
    }
}

#[test]
fn no_other_function_hands_out_secrets_without_a_key() {
    const OTHER: &str = "Other/function.json";
    for methods in [
        "",
        r#","methods":["get"]"#,
        r#","methods":["post","HEAD"]"#,
        r#","methods":[]"#,
    ] {
        let file = format!("// comment\n{}", function("Anonymous", methods));
        assert_eq!(faulty(app(&[(OTHER, &file)], &[])), [OTHER], "{methods}");
    }
    for file in [
        function("function", ""),
        function("anonymous", r#","methods":["post"]"#),
        r#"{"bindings":[{"type":"timerTrigger"}]}"#.to_owned(),
        "no JSON".to_owned(),
    ] {
        assert!(app(&[(OTHER, &file)], &[]).is_ok(), "{file}");
    }
}

#[test]
fn a_route_prefix_that_no_route_has_is_a_fault() {
    let host = |prefix: &str| format!(r#"{{"extensions":{{"http":{{"routePrefix":{prefix}}}}}}}"#);
    for prefix in [r#""""#, r#""v1""#, r#""api/v1""#] {
        assert_eq!(
            faulty(app(&[("host.json", &host(prefix))], &[])),
            ["host.json"],
            "{prefix}"
        );
    }
    for prefix in [r#""api""#, r#""API""#, r#""/api""#] {
        assert!(app(&[("host.json", &host(prefix))], &[]).is_ok(), "{prefix}");
    }
    assert!(app(&[("host.json", r#"{"version":"2.0"}"#)], &[]).is_ok());
    // The host reads the setting in place of the file.
    let name = "AzureFunctionsJobHost__extensions__http__routePrefix";
    assert_eq!(
        faulty(app(&[("host.json", &host(r#""api""#))], &[(name, Some(""))])),
        [name]
    );
    assert!(app(&[("host.json", &host(r#""""#))], &[(name, Some("api"))]).is_ok());
}
