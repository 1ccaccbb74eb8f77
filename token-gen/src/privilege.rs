//! The two rights the field's tokens carry.

use core::{fmt, str::FromStr};

/// A right in a room token.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Privilege {
    /// May log in to the room; key `"1"` on the wire.
    Login,
    /// May publish streams in it; key `"2"` on the wire.
    Publish,
}

impl Privilege {
    /// Both, in wire order.
    pub const ALL: [Self; 2] = [Self::Login, Self::Publish];

    /// The word for it: `login` or `publish`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Login => "login",
            Self::Publish => "publish",
        }
    }

    /// Its key in the token.
    pub(crate) const fn wire_key(self) -> &'static str {
        match self {
            Self::Login => "1",
            Self::Publish => "2",
        }
    }
}

impl fmt::Display for Privilege {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The text was neither `login` nor `publish`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a privilege is login or publish")]
pub struct UnknownPrivilege;

impl FromStr for Privilege {
    type Err = UnknownPrivilege;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::ALL.into_iter().find(|privilege| privilege.as_str() == text).ok_or(UnknownPrivilege)
    }
}

/// A set of privileges. What is not in it is denied.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Privileges {
    login: bool,
    publish: bool,
}

impl Privileges {
    /// Nothing is granted.
    pub const NONE: Self = Self { login: false, publish: false };
    /// Login and publish.
    pub const ALL: Self = Self { login: true, publish: true };

    /// This set and `privilege`.
    #[must_use]
    pub const fn with(self, privilege: Privilege) -> Self {
        match privilege {
            Privilege::Login => Self { login: true, ..self },
            Privilege::Publish => Self { publish: true, ..self },
        }
    }

    /// Whether `privilege` is granted.
    pub const fn contains(self, privilege: Privilege) -> bool {
        match privilege {
            Privilege::Login => self.login,
            Privilege::Publish => self.publish,
        }
    }

    /// Whether everything in this set is also in `other`.
    pub const fn is_subset(self, other: Self) -> bool {
        (other.login || !self.login) && (other.publish || !self.publish)
    }

    /// The wire form: 1 under the keys of what is granted, 0 under the others.
    pub(crate) const fn wire_object(self) -> &'static str {
        match (self.login, self.publish) {
            (false, false) => r#"{"1":0,"2":0}"#,
            (false, true) => r#"{"1":0,"2":1}"#,
            (true, false) => r#"{"1":1,"2":0}"#,
            (true, true) => r#"{"1":1,"2":1}"#,
        }
    }

    /// The granted ones, in wire order.
    pub fn iter(self) -> impl Iterator<Item = Privilege> {
        Privilege::ALL.into_iter().filter(move |&privilege| self.contains(privilege))
    }
}

impl FromIterator<Privilege> for Privileges {
    fn from_iter<I: IntoIterator<Item = Privilege>>(privileges: I) -> Self {
        privileges.into_iter().fold(Self::NONE, Self::with)
    }
}
