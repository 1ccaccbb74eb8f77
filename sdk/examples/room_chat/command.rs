//! What can be typed.

/// A line, understood.
#[derive(Debug)]
pub(crate) enum Command {
    Say(String),
    Whisper { to: String, text: String },
    Publish(Option<String>),
    Unpublish(Option<String>),
    Play(String),
    Unplay(String),
    Set { key: String, value: String },
    Show(String),
    Renew,
    Switch(String),
    Help,
    Leave,
}

pub(crate) const HELP: &[&str] = &[
    "any text                  say it to the room",
    "/to USER TEXT             say it to one user",
    "/publish [STREAM]         publish; /unpublish [STREAM] stops",
    "/play STREAM              play; /unplay STREAM stops",
    "/set KEY [VALUE]          a value of the room; without one, it is removed",
    "/show [TEXT]              what the others see beside your name",
    "/renew                    a new token now; the SDK does it by itself in time",
    "/switch ROOM              to another room",
    "/leave                    leave, as Ctrl-C does",
];

impl Command {
    /// Understands a line; an empty one is nothing.
    pub(crate) fn parse(line: &str) -> Result<Option<Self>, String> {
        let line = line.trim();
        if line.is_empty() {
            return Ok(None);
        }
        if !line.starts_with('/') {
            return Ok(Some(Self::Say(line.to_owned())));
        }
        let (name, rest) = line.split_once(' ').unwrap_or((line, ""));
        let rest = rest.trim();
        let given = || (!rest.is_empty()).then(|| rest.to_owned());
        let needed = |what: &str| given().ok_or_else(|| format!("! {name} needs {what}; /help lists all"));
        Ok(Some(match name {
            "/to" => {
                let (to, text) = rest.split_once(' ').ok_or("! /to needs a user and a text")?;
                Self::Whisper { to: to.to_owned(), text: text.trim().to_owned() }
            }
            "/publish" => Self::Publish(given()),
            "/unpublish" => Self::Unpublish(given()),
            "/play" => Self::Play(needed("a stream")?),
            "/unplay" => Self::Unplay(needed("a stream")?),
            "/set" => {
                let (key, value) = rest.split_once(' ').unwrap_or((rest, ""));
                needed("a key")?;
                Self::Set { key: key.to_owned(), value: value.trim().to_owned() }
            }
            "/show" => Self::Show(rest.to_owned()),
            "/renew" => Self::Renew,
            "/switch" => Self::Switch(needed("a room")?),
            "/help" => Self::Help,
            "/leave" => Self::Leave,
            _ => return Err(format!("! {name} is unknown; /help lists all")),
        }))
    }
}
