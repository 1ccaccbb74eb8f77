//! Writes the tokens that other implementations check: the file in `tests/vectors/minted-tokens.json` was made once by
//! `cargo run -p token-gen --example mint_vectors > token-gen/tests/vectors/minted-tokens.json`.

#[path = "../tests/interop/cases.rs"]
mod cases;

fn main() {
    let lines: Vec<String> = cases::mint_all().iter().map(ToString::to_string).collect();
    println!("[\n{}\n]", lines.join(",\n"));
}
