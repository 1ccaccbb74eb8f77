//! The client: knows one service and one app, and opens rooms.

use std::{fmt, sync::Arc};

use token_gen::RoomId;
use tokio::runtime::Handle;

use crate::{
    credentials::{Asked, LocalUser, RoomToken},
    error::Error,
    options::{ClientBuilder, Options},
    room::Room,
    server_url::ServerUrl,
    session,
};

/// One app at one service. Cheap to clone; holds no connection.
#[derive(Clone)]
pub struct Client(Arc<Options>);

impl Client {
    /// A client for `app_id` at `server_url` (`https://…` or `wss://…`; unencrypted only on this machine).
    pub fn builder(app_id: u32, server_url: &str) -> ClientBuilder {
        ClientBuilder::new(app_id, server_url)
    }

    /// Enters a room, with a token from the provider or with the AppSign, as configured.
    ///
    /// Ends within the login timeout. Dropping the future abandons the login.
    ///
    /// # Errors
    /// [`Error::Refused`] with the server's code; [`Error::Denied`] by the provider; [`Error::TokenRequired`] when
    /// there is neither provider nor AppSign; network errors and timeouts.
    pub async fn login_room(&self, room_id: &str, user: LocalUser) -> Result<Room, Error> {
        self.enter(room_id, user, None).await
    }

    /// Enters a room with `token`, or with the token of a Kit Token, which must be for this app, user and room.
    ///
    /// # Errors
    /// As [`Client::login_room`], and a [`crate::ErrorKind::Usage`] error for what is not a token.
    pub async fn login_room_with_token(&self, room_id: &str, user: LocalUser, token: &str) -> Result<Room, Error> {
        self.enter(room_id, user, Some(token)).await
    }

    async fn enter(&self, room_id: &str, user: LocalUser, token: Option<&str>) -> Result<Room, Error> {
        let runtime = Handle::try_current().map_err(|error| Error::config("tokio runtime", error))?;
        let asked = Asked { app_id: self.0.app_id, room_id: RoomId::new(room_id)?, user };
        let token = token.map(|token| RoomToken::parse(token, &asked)).transpose()?;
        // On the heap, so that the app's own futures stay small.
        Box::pin(session::log_in(&runtime, Arc::clone(&self.0), asked, token)).await
    }

    pub(crate) fn new(options: Options) -> Self {
        Self(Arc::new(options))
    }

    #[cfg(test)]
    pub(crate) fn options(&self) -> &Options {
        &self.0
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client")
            .field("app_id", &self.0.app_id.get())
            .field("servers", &self.0.servers.iter().map(ServerUrl::origin).collect::<Vec<_>>())
            .finish_non_exhaustive()
    }
}
