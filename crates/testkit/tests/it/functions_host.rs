//! What the Functions host would not run, or would run otherwise than the app means it.

use std::fs;

use tempfile::TempDir;
use testkit::functions_host::App;

const HOST: &str = r#"{"version":"2.0","customHandler":{"description":{"defaultExecutablePath":"handler"},
    "enableProxyingHttpRequest":true,"enableForwardingHttpRequest":true}}"#;

const FUNCTION: &str = r#"{"bindings":[
    {"type":"httpTrigger","direction":"in","name":"req","authLevel":"function","methods":["get"],"route":"a/{b}/{c?}"},
    {"type":"http","direction":"out","name":"res"}]}"#;

/// An app with these functions, `one`, `two` and so on.
fn app(host: &str, functions: &[String]) -> std::io::Result<App> {
    let root = TempDir::new().unwrap();
    fs::write(root.path().join("host.json"), host).unwrap();
    for (name, function) in ["one", "two"].into_iter().zip(functions) {
        fs::create_dir(root.path().join(name)).unwrap();
        fs::write(root.path().join(name).join("function.json"), function).unwrap();
    }
    App::read(root.path())
}

fn fault(host: &str, functions: &[String]) -> String {
    app(host, functions).unwrap_err().to_string()
}

#[test]
fn an_app_is_read_as_it_is_meant() {
    let app = app(HOST, &[FUNCTION.to_owned(), FUNCTION.replace("\"get\"", "\"head\"")]).unwrap();

    assert_eq!(app.executable(), "handler");
    assert_eq!(app.find("GET", "/api/a/x").unwrap().name(), "one");
    assert_eq!(app.find("HEAD", "/API/A/x/y/").unwrap().name(), "two");
    for (method, path) in [
        ("POST", "/api/a/x"),
        ("GET", "/api/a"),
        ("GET", "/api/a//"),
        ("GET", "/api/a/x/y/z"),
        ("GET", "/api/b/x"),
        ("GET", "/a/x"),
        ("GET", "*"),
    ] {
        assert!(app.find(method, path).is_none(), "{method} {path}");
    }
}

#[test]
fn what_the_host_would_take_otherwise_is_refused() {
    let function = [FUNCTION.to_owned()];
    for (from, to, says) in [
        ("\"2.0\"", "\"3.0\"", "version"),
        ("enableProxying", "enableX", "enableProxyingHttpRequest"),
        ("enableForwarding", "enableX", "enableForwardingHttpRequest"),
        ("defaultExecutablePath", "x", "defaultExecutablePath"),
        ("}}", "}", "host.json"),
    ] {
        let fault = fault(&HOST.replace(from, to), &function);
        assert!(fault.contains(says), "{to}: {fault}");
    }
    for (from, to, says) in [
        (
            r#"{"type":"http","#,
            r#"{"type":"queue","direction":"out"},{"type":"http","#,
            "bindings",
        ),
        (r#""type":"http","#, r#""type":"queue","#, "bindings"),
        ("httpTrigger", "queueTrigger", "httpTrigger"),
        ("[\"get\"]", "[\"GET\"]", "lower case"),
        ("a/{b}", "admin/{b}", "route"),
        ("\"function\"", "\"nobody\"", "authLevel"),
    ] {
        let fault = fault(HOST, &[FUNCTION.replace(from, to)]);
        assert!(fault.contains(says), "{to}: {fault}");
    }
    assert!(fault(HOST, &[]).contains("function.json"));
}

#[test]
fn two_functions_may_share_a_route_only_with_other_methods() {
    for (route, methods, is_refused) in [
        ("a/{b}/{c?}", "\"head\",\"get\"", true),
        ("{x}/{y}", "\"get\"", true),
        ("A/{b}/c", "\"get\"", true),
        ("a/{b}/{c?}", "\"head\"", false),
        ("b/{b}", "\"get\"", false),
        ("a", "\"get\"", false),
        ("a/{b}/c/d", "\"get\"", false),
    ] {
        let other = FUNCTION.replace("a/{b}/{c?}", route).replace("\"get\"", methods);
        assert_eq!(
            app(HOST, &[FUNCTION.to_owned(), other]).is_err(),
            is_refused,
            "{route} {methods}"
        );
    }
}
