//! Many users, some to a room, and the tokens they show.

use std::{sync::Arc, time::Duration};

use rand::rngs::SysRng;
use roompass_sdk::{Client, LocalUser, Room};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use token_gen::{AppId, Minter, Payload, ServerSecret, TokenRequest, UnixSeconds, UserId};
use tokio::{
    sync::{Mutex, MutexGuard, Semaphore},
    task::JoinSet,
};

/// How many share a room.
const USERS_IN_A_ROOM: usize = 10;
/// How many log in at a time: fewer than a server lets one source have without a login.
const AT_A_TIME: usize = 40;
/// How many files a crowd may need: the sockets of ten thousand clients, or both ends of five thousand.
const FILES: u64 = 11_000;

/// What the backend of the crowd's app does: mint, without asking the server.
#[derive(Clone)]
pub(crate) struct Backend(Arc<Minter>);

impl Backend {
    pub(crate) fn new(app_id: u32, server_secret: &str) -> Self {
        let secret = ServerSecret::new(server_secret).expect("the server made it");
        Self(Arc::new(Minter::new(AppId::new(app_id).expect("not 0"), &secret)))
    }

    pub(crate) fn token(&self, user_id: &str, ttl: Duration, now: UnixSeconds) -> String {
        let user_id = UserId::new(user_id).expect("a good id");
        let request = TokenRequest { user_id, ttl, payload: Payload::Identity };
        self.0.mint(&request, now, &mut SysRng).expect("the request is good").token
    }
}

/// Waits until no other crowd is under way, and sees to it that this one finds room.
pub(crate) async fn turn() -> MutexGuard<'static, ()> {
    static TURN: Mutex<()> = Mutex::const_new(());
    open_enough_files();
    TURN.lock().await
}

/// Lets so many in; in the order of their numbers.
pub(crate) async fn log_in(client: &Client, clients: usize) -> Vec<Room> {
    let places = Arc::new(Semaphore::new(AT_A_TIME));
    let mut logins = JoinSet::new();
    for number in 0..clients {
        let (client, places) = (client.clone(), Arc::clone(&places));
        logins.spawn(async move {
            let _place = places.acquire().await.expect("it is never closed");
            let user = LocalUser::new(&format!("user{number}")).expect("a good id");
            let room = client.login_room(&format!("room{}", number / USERS_IN_A_ROOM), user).await;
            (number, room.expect("the token is good"))
        });
    }
    let mut rooms = logins.join_all().await;
    rooms.sort_unstable_by_key(|(number, _)| *number);
    rooms.into_iter().map(|(_, room)| room).collect()
}

/// Raises the number of files that this process may open as far as the system allows without asking anybody.
fn open_enough_files() {
    let limit = getrlimit(Resource::Nofile);
    assert!(limit.maximum.is_none_or(|most| most >= FILES), "this needs {FILES} open files: see `ulimit -Hn`");
    setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, ..limit }).expect("up to the maximum it may be set");
}
