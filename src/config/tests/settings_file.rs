//! local.settings.json.

use super::*;

fn read(text: &str) -> Result<SettingsFile, String> {
    read_settings_file("local.settings.json", text.as_bytes()).map_err(|fault| fault.to_string())
}

#[test]
fn what_core_tools_reads_is_read() {
    let expected: BTreeMap<_, _> = [("A", "text"), ("B", "300"), ("C", "true"), ("D", "1.50")]
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .into();
    for text in [
        r#"{"IsEncrypted":false,"Values":{"A":"text","B":300,"C":true,"D":1.50}}"#,
        "\u{feff}{\"values\":{\"A\":\"text\",\"B\":300,\"C\":true,\"D\":1.50}}",
        "{\n// comment\n\"VALUES\":{\"A\":\"text\",/* 300 */\"B\":300,\"C\":true,\"D\":1.50,},\n}",
        r#"{"isEncrypted":"false","Values":{"A":"x","A":"text","B":300,"C":true,"D":1.50},"Host":{"CORS":"*"}}"#,
    ] {
        let file = read(text).expect(text);
        assert_eq!((file.values, file.faults), (expected.clone(), vec![]), "{text}");
    }
}

#[test]
fn every_value_that_is_none_is_reported_at_once() {
    let text = r#"{"Values":{"A":null,"B":["canary"],"C":{"D":"canary"},"E":"fine"}}"#;
    let file = read(text).expect("the rest is fine");
    assert_eq!(file.values.get("E").map(String::as_str), Some("fine"));
    assert_eq!(file.invalid.iter().collect::<Vec<_>>(), ["A", "B", "C"]);
    let faults: Vec<_> = file.faults.iter().map(ToString::to_string).collect();
    assert_eq!(faults.len(), 3, "{faults:?}");
    for (fault, told) in faults
        .iter()
        .zip(["Values.A is null", "Values.B is an array", "Values.C is an object"])
    {
        assert!(
            fault.starts_with("local.settings.json: ") && fault.contains(told),
            "{fault}"
        );
        assert!(!fault.contains("canary") && !fault.contains("quotes"), "{fault}");
    }
}

#[test]
fn a_file_that_cannot_be_used_says_why() {
    for (text, told) in [
        ("", "line 1"),
        ("{\n  \"Values\": {\n    \"A\" \"canary\"\n", "line 3"),
        ("not JSON", "line 1"),
        ("[]", "no object `Values`"),
        ("{}", "no object `Values`"),
        ("{\"Values\":[]}", "no object `Values`"),
        ("{\"Values\":null}", "no object `Values`"),
        (
            "{\"IsEncrypted\":true,\"Values\":{\"A\":\"canary\"}}",
            "func settings decrypt",
        ),
        ("{\"isencrypted\":\"True\",\"Values\":{}}", "func settings decrypt"),
    ] {
        let fault = read(text).expect_err(text);
        assert!(fault.contains(told) && !fault.contains("canary"), "{text}: {fault}");
    }
}
