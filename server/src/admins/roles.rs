//! What an admin may do where.

use roompass_wire::http::{Role, Roles};
use token_gen::AppId;

use crate::{error::Error, keys::Right};

/// The least role that has a right.
pub fn role_for(right: Right) -> Role {
    match right {
        Right::Read | Right::Introspect | Right::Explain => Role::Viewer,
        Right::Mint | Right::Revoke | Right::Admin | Right::Operate => Role::Admin,
    }
}

/// The role in one app; `None` where the admin has no business.
pub fn role_in(roles: &Roles, app_id: AppId) -> Option<Role> {
    roles.everywhere.max(roles.apps.get(&app_id.get()).copied())
}

/// Refuses roles that mean nothing.
pub(super) fn check(roles: &Roles) -> Result<(), Error> {
    if roles.everywhere.is_none() && roles.apps.is_empty() {
        return Err(Error::field("roles", "must name at least one role"));
    }
    if roles.apps.contains_key(&0) || roles.apps.len() > 1_000 {
        return Err(Error::field("roles.apps", "must be at most 1000 numbers of apps"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    // proves T21 (roles and rights)
    #[test]
    fn every_right_of_every_role_is_spelt_out() {
        let everything = Right::ALL.to_vec();
        for (role, rights) in [
            (Role::Viewer, vec![Right::Introspect, Right::Explain, Right::Read]),
            (Role::Admin, everything.clone()),
            (Role::Owner, everything),
        ] {
            let has: Vec<Right> = Right::ALL.into_iter().filter(|&right| role >= role_for(right)).collect();
            assert_eq!(has, rights, "{role:?}");
        }
    }

    #[test]
    fn the_greater_role_counts_and_other_apps_are_closed() {
        let app = |number| AppId::new(number).unwrap();
        let some = Roles { everywhere: None, apps: [(7, Role::Admin)].into() };
        assert_eq!([role_in(&some, app(7)), role_in(&some, app(8))], [Some(Role::Admin), None]);
        let both = Roles { everywhere: Some(Role::Viewer), apps: [(7, Role::Owner), (8, Role::Viewer)].into() };
        assert_eq!(role_in(&both, app(7)), Some(Role::Owner));
        assert_eq!(role_in(&both, app(9)), Some(Role::Viewer));
        assert!(check(&both).is_ok());
        assert!(check(&Roles::default()).is_err());
        assert!(check(&Roles { everywhere: None, apps: [(0, Role::Owner)].into() }).is_err());
    }
}
