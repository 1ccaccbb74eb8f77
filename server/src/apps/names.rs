//! How ids and privileges are written in stored JSON: `#[serde(with = …)]` modules for types that know no serde.

/// An app id as its number.
pub(crate) mod app_id {
    use serde::{Deserialize, Deserializer, Serializer, de::Error};
    use token_gen::AppId;

    pub(crate) fn serialize<S: Serializer>(app_id: &AppId, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_u32(app_id.get())
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<AppId, D::Error> {
        AppId::new(u32::deserialize(deserializer)?).map_err(D::Error::custom)
    }
}

/// Privileges as a list of their names.
pub(crate) mod privileges {
    use roompass_wire::http::PrivilegeName;
    use serde::{Deserialize, Deserializer, Serialize, Serializer};
    use token_gen::{Privilege, Privileges};

    pub(crate) fn serialize<S: Serializer>(privileges: &Privileges, serializer: S) -> Result<S::Ok, S::Error> {
        let names: Vec<PrivilegeName> = privileges.iter().map(name).collect();
        names.serialize(serializer)
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Privileges, D::Error> {
        Ok(Vec::<PrivilegeName>::deserialize(deserializer)?.into_iter().map(privilege).collect())
    }

    /// The name on the wire.
    pub(crate) fn name(privilege: Privilege) -> PrivilegeName {
        match privilege {
            Privilege::Login => PrivilegeName::Login,
            Privilege::Publish => PrivilegeName::Publish,
        }
    }

    /// The privilege of that name.
    pub(crate) fn privilege(name: PrivilegeName) -> Privilege {
        match name {
            PrivilegeName::Login => Privilege::Login,
            PrivilegeName::Publish => Privilege::Publish,
        }
    }
}
