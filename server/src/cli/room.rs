//! `roompass room`: live rooms of a running server, through its API.

use std::time::Duration;

use clap::Subcommand;
use serde_json::{Value, json};
use token_gen::UnixSeconds;

use super::{Failure, key::date, remote::Remote};

#[derive(Debug, Subcommand)]
pub(super) enum RoomCommand {
    /// List the rooms that somebody is in
    List {
        #[command(flatten)]
        remote: Remote,
    },
    /// Show the users and streams of a room
    Show {
        /// The room
        room_id: String,
        #[command(flatten)]
        remote: Remote,
    },
    /// List live sessions: who, where, by which credential, since and until when, with what rights
    Sessions {
        /// Only in this room
        #[arg(long, value_name = "ID")]
        room_id: Option<String>,
        /// Only of this user
        #[arg(long, value_name = "ID")]
        user_id: Option<String>,
        #[command(flatten)]
        remote: Remote,
    },
    /// Remove a user; the session's token is revoked
    Kick {
        /// The user
        user_id: String,
        /// Only in this room
        #[arg(long, value_name = "ID")]
        room_id: Option<String>,
        /// Why; the user is told
        #[arg(long, value_name = "TEXT")]
        reason: Option<String>,
        /// Leave the token good
        #[arg(long)]
        keep_token: bool,
        /// Keep the user out of the room for so long, such as 1h
        #[arg(long, value_name = "TIME", value_parser = humantime::parse_duration)]
        ban: Option<Duration>,
        #[command(flatten)]
        remote: Remote,
    },
    /// Remove everybody from a room; their tokens are revoked
    Close {
        /// The room
        room_id: String,
        /// Why; the users are told
        #[arg(long, value_name = "TEXT")]
        reason: Option<String>,
        /// Leave the tokens good
        #[arg(long)]
        keep_tokens: bool,
        #[command(flatten)]
        remote: Remote,
    },
    /// Stop a stream
    StopStream {
        /// The stream
        stream_id: String,
        #[command(flatten)]
        remote: Remote,
    },
    /// Withhold privileges from a live session: all that are named, and no others
    Withhold {
        /// The session; see `room sessions`
        session_id: String,
        /// publish or play; repeat for both. None gives everything back
        #[arg(long = "privilege", value_name = "P", value_delimiter = ',')]
        privileges: Vec<String>,
        #[command(flatten)]
        remote: Remote,
    },
    /// Say something to a room, or to one user in it
    Say {
        /// The room
        room_id: String,
        /// What
        text: String,
        /// To this user alone
        #[arg(long, value_name = "ID")]
        user_id: Option<String>,
        #[command(flatten)]
        remote: Remote,
    },
}

impl RoomCommand {
    pub(super) async fn run(self) -> Result<(), Failure> {
        match self {
            Self::List { remote } => {
                let rooms = all(&remote, "/rooms", "rooms").await?;
                remote.print(&rooms, || {
                    lines(&rooms, |room| {
                        format!(
                            "{}  {} users  {} streams",
                            text(&room["room_id"]),
                            room["user_count"],
                            room["stream_count"]
                        )
                    })
                });
            }
            Self::Show { room_id, remote } => {
                let room = remote.call(&format!("/room?room_id={}", encoded(&room_id)), None).await?;
                remote.print(&room, || {
                    let users = lines(&room["users"], |user| {
                        format!("user    {}  {}", text(&user["user_id"]), text(&user["user_name"]))
                    });
                    let stream = |stream: &Value| {
                        format!("stream  {}  of {}", text(&stream["stream_id"]), text(&stream["user_id"]))
                    };
                    users + &lines(&room["streams"], stream)
                });
            }
            Self::Sessions { room_id, user_id, remote } => {
                let filters = [("room_id", room_id), ("user_id", user_id)];
                let pair =
                    |(name, value): (&str, Option<String>)| value.map(|value| format!("{name}={}", encoded(&value)));
                let query = filters.into_iter().filter_map(pair).collect::<Vec<_>>().join("&");
                let sessions = all(&remote, &format!("/sessions?{query}"), "sessions").await?;
                remote.print(&sessions, || lines(&sessions, session_line));
            }
            Self::Kick { user_id, room_id, reason, keep_token, ban, remote } => {
                let ban_secs = ban.map(|ban| ban.as_secs());
                let mut body = json!({ "user_id": user_id, "keep_token": keep_token });
                add(&mut body, [("room_id", json!(room_id)), ("reason", json!(reason)), ("ban_secs", json!(ban_secs))]);
                kicked(&remote, remote.call("/sessions/kick", Some(body)).await?);
            }
            Self::Close { room_id, reason, keep_tokens, remote } => {
                let mut body = json!({ "room_id": room_id, "keep_tokens": keep_tokens });
                add(&mut body, [("reason", json!(reason))]);
                kicked(&remote, remote.call("/rooms/close", Some(body)).await?);
            }
            Self::StopStream { stream_id, remote } => {
                reached(&remote, remote.call("/streams/stop", Some(json!({ "stream_id": stream_id }))).await?);
            }
            Self::Withhold { session_id, privileges, remote } => {
                let body = json!({ "session_id": session_id, "withhold": privileges });
                reached(&remote, remote.call("/sessions/withhold", Some(body)).await?);
            }
            Self::Say { room_id, text, user_id, remote } => {
                let mut body = json!({ "room_id": room_id, "text": text });
                add(&mut body, [("user_id", json!(user_id))]);
                reached(&remote, remote.call("/rooms/message", Some(body)).await?);
            }
        }
        Ok(())
    }
}

/// Every page of a list, as one.
async fn all(remote: &Remote, path: &str, member: &str) -> Result<Value, Failure> {
    let (mut found, mut cursor) = (Vec::new(), None::<String>);
    loop {
        let joint = if path.contains('?') { '&' } else { '?' };
        let page = cursor.as_ref().map(|cursor| format!("&cursor={}", encoded(cursor))).unwrap_or_default();
        let mut answer = remote.call(&format!("{path}{joint}limit=1000{page}").replace("?&", "?"), None).await?;
        if let Some(entries) = answer[member].as_array_mut() {
            found.append(entries);
        }
        if let Some(missing) = missing(&answer) {
            eprintln!("{missing}");
        }
        cursor = answer["cursor"].as_str().map(str::to_owned);
        if cursor.is_none() {
            return Ok(found.into());
        }
    }
}

/// Adds what is not null.
fn add<const N: usize>(body: &mut Value, members: [(&str, Value); N]) {
    for (name, value) in members.into_iter().filter(|(_, value)| !value.is_null()) {
        body[name] = value;
    }
}

fn kicked(remote: &Remote, answer: Value) {
    remote.print(&answer, || {
        let count = answer["session_ids"].as_array().map_or(0, Vec::len);
        let missing = missing(&answer).map(|missing| format!("; {missing}")).unwrap_or_default();
        format!("{count} sessions ended, {} tokens revoked{missing}", answer["revoked_tokens"])
    });
}

fn reached(remote: &Remote, answer: Value) {
    let missing = missing(&answer).map(|missing| format!("; {missing}")).unwrap_or_default();
    remote.print(&answer, || format!("reached {} sessions{missing}", answer["session_count"]));
}

/// Which nodes an answer lacks, if any.
fn missing(answer: &Value) -> Option<String> {
    let unreached = answer.get("unreached")?;
    if unreached["bus_away"] == true {
        return Some("other nodes cannot be reached just now".to_owned());
    }
    let nodes: Vec<&str> = unreached["silent_nodes"].as_array()?.iter().filter_map(Value::as_str).collect();
    Some(format!("no answer from {}", nodes.join(", ")))
}

fn session_line(session: &Value) -> String {
    let until = session["expire_at"]
        .as_i64()
        .map_or("no token".to_owned(), |at| format!("until {}", date(UnixSeconds::new(at))));
    let withheld = session.get("withheld").map(|withheld| format!("  withheld {withheld}")).unwrap_or_default();
    let other = session.get("other_credential").map(|code| format!(" ({} did not count)", text(code)));
    let privileges: Vec<&str> = session["privileges"].as_array().into_iter().flatten().map(text).collect();
    let limits = session["rights"].as_object().into_iter().flatten();
    let limits: String = limits.map(|(name, limit)| format!(" {name}={limit}")).collect();
    format!(
        "{}  {}  in {}  by {}{} from {}  since {}  {until}  may {}{limits}{withheld}",
        text(&session["session_id"]),
        text(&session["user_id"]),
        text(&session["room_id"]),
        text(&session["auth"]),
        other.unwrap_or_default(),
        text(&session["source"]),
        session["since"],
        if privileges.is_empty() { "nothing".to_owned() } else { privileges.join(", ") },
    )
}

fn lines(list: &Value, line: impl Fn(&Value) -> String) -> String {
    list.as_array().into_iter().flatten().map(|entry| line(entry) + "\n").collect()
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

/// For a query: every byte that is not plain, percent-encoded.
fn encoded(text: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
    text.bytes().map(|byte| if plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") }).collect()
}
