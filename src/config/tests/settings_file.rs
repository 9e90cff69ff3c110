//! local.settings.json.

use super::*;

fn read(text: &str) -> Result<BTreeMap<String, String>, Vec<String>> {
    read_settings_file("local.settings.json", text.as_bytes())
        .map_err(|faults| faults.iter().map(ToString::to_string).collect())
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
        assert_eq!(read(text), Ok(expected.clone()), "{text}");
    }
}

#[test]
fn every_value_that_is_none_is_reported_at_once() {
    let text = r#"{"Values":{"A":null,"B":["canary"],"C":{"D":"canary"},"E":"fine"}}"#;
    let faults = read(text).expect_err("three faults");
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
        let faults = read(text).expect_err(text);
        assert_eq!(faults.len(), 1, "{text}: {faults:?}");
        assert!(
            faults[0].contains(told) && !faults[0].contains("canary"),
            "{text}: {faults:?}"
        );
    }
}
