//! Whoever races a kick: by renewing, by going on with the session, by logging in again, all at the same time.

use futures_util::future::join_all;

use super::*;

const KICKED: usize = 1_000;
const ACROSS_NODES: usize = 100;
/// Hundreds of logins and kicks at once take their time on a busy machine.
const LONG: Duration = Duration::from_secs(120);
/// More a client does not say at once.
const RENEWALS: u64 = 60;

impl Client {
    /// What comes next, or `None` when the connection is closed.
    async fn next(&mut self) -> Option<Value> {
        loop {
            let frame = tokio::time::timeout(LONG, self.ws.next()).await.expect("nothing came");
            match frame?.ok()? {
                Message::Text(text) => return serde_json::from_str(&text).ok(),
                Message::Close(_) => return None,
                _ => {}
            }
        }
    }

    /// Renews with the same token again and again until the end; says how it ended. Nobody is answered after it.
    async fn renew_until_kicked(&mut self, token: &str) -> Value {
        let mut answered = self.next_id;
        loop {
            if answered == self.next_id && self.next_id < RENEWALS {
                self.next_id += 1;
                let renew = json!({ "type": "renew_token", "id": self.next_id, "token": token });
                // A server that has closed is an answer too; it is read next.
                let _ = self.ws.send(Message::text(renew.to_string())).await;
            }
            let heard = self.next().await.expect("it is said why");
            if heard["type"] == "kicked" {
                return heard["code"].clone();
            }
            answered = heard["id"].as_u64().unwrap_or(answered);
        }
    }
}

impl World {
    /// The code with which a login is answered; none if it lets in.
    async fn door(&self, user_id: &str, token: &str) -> (Option<String>, Client) {
        let mut client = self.connect().await;
        client.next_id += 1;
        let login = json!({
            "type": "login", "id": client.next_id, "app_id": 7, "user_id": user_id, "room_id": "r", "token": token
        });
        client.ws.send(Message::text(login.to_string())).await.unwrap();
        let answer = client.next().await.expect("it is answered");
        (answer["code"].as_str().map(str::to_owned), client)
    }
}

/// One user who is kicked while racing to stay. The doors are those of all nodes.
async fn race(kicking: Arc<World>, doors: Vec<Arc<World>>, number: usize) {
    let (user_id, at) = (format!("u{number}"), Arc::clone(&doors[number % doors.len()]));
    let token = kicking.token(&user_id, "r").await;
    let (ticket, mut client) = at.login(&user_id, "r", &token).await;
    assert_eq!(ticket["type"], "logged_in", "{ticket}");

    // Those who were there before the kick, and try on while it happens.
    let renews = async {
        let code = client.renew_until_kicked(&token).await;
        // They have been told: from here on the door is shut, on every node.
        let back = join_all(doors.iter().map(|door| door.door(&user_id, &token))).await;
        for (code, _) in back {
            assert_eq!(code.as_deref(), Some("token_revoked"), "{user_id} came in again by a token that was kicked");
        }
        code
    };
    let logs_in = async {
        // In or not: whoever slips in before the token is blocked is shown out by its revocation.
        let (_, client) = doors[(number + 1) % doors.len()].door(&user_id, &token).await;
        client
    };
    let resumes = async {
        let mut client = at.connect().await;
        client.next_id += 1;
        let resume = json!({
            "type": "resume", "id": client.next_id, "app_id": 7, "session_id": ticket["session_id"],
            "resume_key": ticket["resume_key"], "seq": ticket["seq"]
        });
        client.ws.send(Message::text(resume.to_string())).await.unwrap();
        client.next().await;
        client
    };
    let kicks = async {
        // As a nervous operator does.
        let kick = json!({ "user_id": user_id, "reason": "spam" });
        let first = kicking.post("/sessions/kick", kick.clone()).await;
        kicking.post("/sessions/kick", kick).await;
        first
    };
    // Some try new connections, the others hold on to the one they have: both are ways to stay.
    let (_kept, kicked) = if number.is_multiple_of(3) {
        let (a, b, kicked) = tokio::join!(logs_in, resumes, kicks);
        (vec![a, b], kicked)
    } else {
        let (code, kicked) = tokio::join!(renews, kicks);
        assert_eq!(code, "kicked");
        (vec![], kicked)
    };
    assert_eq!(kicked.get("unreached"), None);
    // Nobody is left, wherever.
    let gone = async {
        let path = format!("/sessions?user_id={user_id}");
        while kicking.get(&path).await["sessions"] != json!([]) {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(LONG, gone).await.unwrap_or_else(|_| panic!("{user_id} is still there"));
    for door in &doors {
        assert_eq!(door.door(&user_id, &token).await.0.as_deref(), Some("token_revoked"), "{user_id}");
    }
}

async fn races(kicking: &Arc<World>, doors: &[Arc<World>], count: usize, at_once: usize) {
    for first in (0..count).step_by(at_once) {
        let at_once = (first..count.min(first + at_once))
            .map(|number| tokio::spawn(race(Arc::clone(kicking), doors.to_vec(), number)));
        for ended in join_all(at_once).await {
            ended.unwrap();
        }
    }
}

// proves T55 (1,000 races)
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_a_thousand_who_race_a_kick_nobody_comes_back() {
    let world = Arc::new(World::new().await);
    races(&world, &[Arc::clone(&world)], KICKED, 250).await;
}

// proves T55 (races across nodes)
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nobody_comes_back_through_another_node() {
    let cluster = nodes::Cluster::new();
    let (here, there) = (Arc::new(cluster.node().await), Arc::new(cluster.node().await));
    races(&here, &[Arc::clone(&there), Arc::clone(&here)], ACROSS_NODES, 20).await;
}
