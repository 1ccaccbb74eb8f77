//! Admins as stored: who they are, where they are signed in, and the one-time codes that make them.

use async_trait::async_trait;
use token_gen::UnixSeconds;

use super::StoreError;

/// Keeps admins, their sessions and set-up codes.
#[async_trait]
pub trait AdminStore: Send + Sync + 'static {
    /// Every admin, by name.
    async fn admins(&self) -> Result<Vec<AdminRecord>, StoreError>;

    /// The admin of that name.
    async fn admin_named(&self, name: &str) -> Result<Option<AdminRecord>, StoreError>;

    /// Spends the set-up code with that hash, if it has not ended by `now`, and adds the admin: both or neither.
    /// [`StoreError::Missing`] without such a code, [`StoreError::Conflict`] if the name is taken.
    async fn insert_admin(&self, admin: AdminRecord, code: [u8; 32], now: UnixSeconds) -> Result<(), StoreError>;

    /// Replaces an admin if the stored version is still `admin.version`, counts the version up, and ends every
    /// session of the admin. [`StoreError::Conflict`] if the version is another, if there is no such admin, or if no
    /// owner would be left.
    async fn update_admin(&self, admin: AdminRecord) -> Result<(), StoreError>;

    /// Removes an admin with all sessions. `false` if there is none; [`StoreError::Conflict`] for the last owner.
    async fn delete_admin(&self, admin_id: &str) -> Result<bool, StoreError>;

    /// Notes that a step of the second factor was used. `false` if that step, or a later one, was used before.
    async fn spend_totp_step(&self, admin_id: &str, step: i64) -> Result<bool, StoreError>;

    /// Adds a session; [`StoreError::Missing`] without its admin.
    async fn insert_session(&self, session: SessionRecord) -> Result<(), StoreError>;

    /// The session with that hash and its admin.
    async fn session(&self, hash: [u8; 32]) -> Result<Option<(SessionRecord, AdminRecord)>, StoreError>;

    /// Notes when a session was last seen, and until when it may do what needs the password again.
    async fn touch_session(
        &self,
        hash: [u8; 32],
        seen_at: UnixSeconds,
        sudo_until: UnixSeconds,
    ) -> Result<(), StoreError>;

    /// Every session of an admin, newest first.
    async fn sessions_of(&self, admin_id: &str) -> Result<Vec<SessionRecord>, StoreError>;

    /// Ends a session of an admin. `false` if there is none by that id.
    async fn delete_session(&self, admin_id: &str, session_id: &str) -> Result<bool, StoreError>;

    /// Forgets sessions and set-up codes that ended before `now`, and sessions not seen since `seen_before`.
    async fn forget_sessions(&self, now: UnixSeconds, seen_before: UnixSeconds) -> Result<(), StoreError>;

    /// Adds a set-up code, in place of any other for the same name.
    async fn insert_setup_code(&self, code: SetupCodeRecord) -> Result<(), StoreError>;

    /// The set-up code with that hash.
    async fn setup_code(&self, hash: [u8; 32]) -> Result<Option<SetupCodeRecord>, StoreError>;
}

/// An admin as stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AdminRecord {
    /// Names the admin for ever.
    pub admin_id: String,
    /// Counts the changes, from 1.
    pub version: i64,
    /// What the admin signs in as.
    pub name: String,
    /// The password's hash with its parameters, as a PHC string.
    pub password_hash: String,
    /// The second factor's secret, sealed.
    pub totp_secret: Vec<u8>,
    /// The last step of the second factor that was used. Only [`AdminStore::spend_totp_step`] changes it.
    pub totp_step: i64,
    /// What the admin may do where, as JSON.
    pub roles: String,
    /// Whether the roles say owner of everything.
    pub owner: bool,
    /// When it was made.
    pub created_at: UnixSeconds,
    /// When it was last changed.
    pub updated_at: UnixSeconds,
}

/// A session as stored: enough to recognise its cookie, not to know it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SessionRecord {
    /// SHA-256 of the cookie's value.
    pub hash: [u8; 32],
    /// Names the session in lists.
    pub session_id: String,
    /// Whose it is.
    pub admin_id: String,
    /// Where it was signed in from.
    pub source: String,
    /// When it was signed in.
    pub created_at: UnixSeconds,
    /// When it was last seen, to the minute.
    pub seen_at: UnixSeconds,
    /// When it ends at the latest.
    pub expire_at: UnixSeconds,
    /// Until when the password and second factor count as just given.
    pub sudo_until: UnixSeconds,
}

/// A set-up code as stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SetupCodeRecord {
    /// SHA-256 of the code.
    pub hash: [u8; 32],
    /// The name the admin will have; `None` to choose one.
    pub name: Option<String>,
    /// What the admin will be allowed, as JSON.
    pub roles: String,
    /// When it ends.
    pub expire_at: UnixSeconds,
    /// When it was made.
    pub created_at: UnixSeconds,
}
