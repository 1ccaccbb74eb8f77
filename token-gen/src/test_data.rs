//! Where the tests inside the crate find facts made elsewhere.

use std::{fs, path::PathBuf, println, vec::Vec};

use serde::de::DeserializeOwned;
use serde_json::Value;

/// A vector file of this repository.
pub(crate) fn vectors<T: DeserializeOwned>(name: &str) -> Vec<T> {
    let path = root().join("tests/vectors").join(name);
    serde_json::from_str(&fs::read_to_string(path).expect("the vectors are in the repository")).expect("they parse")
}

/// A published file that lies beside the checkout and is not part of it; absent elsewhere.
pub(crate) fn published(name: &str) -> Option<Value> {
    let path = root().join("../../shared/data").join(name);
    let Ok(text) = fs::read_to_string(&path) else {
        println!("{name} is not here: nothing to check against");
        return None;
    };
    Some(serde_json::from_str(&text).expect("published vectors are JSON"))
}

/// Every case of a Wycheproof file, with the group it stands in.
pub(crate) fn wycheproof(file: &Value) -> impl Iterator<Item = (&Value, &Value)> {
    let groups = file["testGroups"].as_array().expect("Wycheproof files have groups");
    groups.iter().flat_map(|group| group["tests"].as_array().into_iter().flatten().map(move |case| (group, case)))
}

/// The bytes of a member in hexadecimal.
pub(crate) fn hex(value: &Value) -> Vec<u8> {
    let text = value.as_str().expect("bytes are hexadecimal strings");
    (0..text.len()).step_by(2).map(|at| u8::from_str_radix(&text[at..at + 2], 16).expect("two digits")).collect()
}

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}
