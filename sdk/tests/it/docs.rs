//! The pages say what is so.

use roompass_sdk::ErrorCode;

#[test]
fn every_code_has_its_line_in_troubleshooting() {
    let page = include_str!("../../docs/troubleshooting.md");
    let lines: Vec<&str> = page.lines().filter(|line| line.starts_with("| `")).collect();
    for code in ErrorCode::ALL {
        let row = code.row();
        let number = if row.number == 0 { "–".to_owned() } else { row.number.to_string() };
        let later = if row.retryable { "yes" } else { "no" };
        let begins = format!("| `{code}` | {number} | {later} | ");
        let found = lines.iter().filter(|line| line.starts_with(&begins)).count();
        assert_eq!(found, 1, "{begins}");
    }
    let codes = lines.iter().take_while(|line| !line.starts_with("| `error.kind()`")).count();
    assert_eq!(codes, ErrorCode::ALL.len() + 1, "one line each, and one for codes that are not known");
}

#[test]
fn the_readme_lists_the_dependencies() {
    let manifest = include_str!("../../Cargo.toml");
    let (_, after) = manifest.split_once("\n[dependencies]\n").unwrap();
    let (dependencies, _) = after.split_once("\n\n").unwrap();
    let readme = include_str!("../../README.md");
    for name in dependencies.lines().filter_map(|line| line.split(['.', ' ']).next()) {
        assert!(readme.contains(&format!("── {name}\n")), "{name}");
    }
    assert_eq!(readme.matches("── ").count(), dependencies.lines().count());
}
