//! The values that a configuration was made of, to see what another one changes.

use std::fmt;

use toml::Table;

use super::{FIELDS, Field};

/// Every value as it was written, in the order of [`FIELDS`]. Shows none of them.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Values(Vec<Option<String>>);

impl Values {
    pub(super) fn of(table: &Table) -> Self {
        let value = |field: &Field| Some(table.get(field.section)?.get(field.name)?.to_string());
        Self(FIELDS.iter().map(value).collect())
    }

    /// The fields that have another value in `other`.
    pub(crate) fn differing(&self, other: &Self) -> impl Iterator<Item = &'static Field> {
        let pairs = FIELDS.iter().zip(self.0.iter().zip(&other.0));
        pairs.filter_map(|(field, (ours, theirs))| (ours != theirs).then_some(field)).collect::<Vec<_>>().into_iter()
    }

    /// These values with those of `newer` for `fields`.
    pub(crate) fn with(&self, newer: &Self, fields: &[&Field]) -> Self {
        let is_among = |field: &Field| fields.iter().any(|one| one.path() == field.path());
        let choose = |((field, ours), newer): ((&Field, &Option<String>), &Option<String>)| {
            if is_among(field) { newer.clone() } else { ours.clone() }
        };
        Self(FIELDS.iter().zip(&self.0).zip(&newer.0).map(choose).collect())
    }
}

impl fmt::Debug for Values {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Values(..)")
    }
}
