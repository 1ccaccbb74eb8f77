//! `token-gen mint`: one token, or many.

use std::{fs, path::PathBuf, time::Duration};

use clap::{Args, ValueEnum};
use serde::Serialize;
use token_gen::{AppId, Format, Minted, Minter, Payload, Privilege, Privileges, Rights, RoomId, StreamId, UserId};

use super::{Done, Failure, batch, output, secret::SecretArgs, terms::TermsArgs};

const HELP: &str = "\
Examples:
  token-gen mint --app-id 1234567890 --user-id alice --server-secret-file secret.txt
      an identity token: who the user is, and no more
  token-gen mint --app-id 1234567890 --user-id alice --room-id room1 --privilege login,publish \\
      --stream-id s1
      a privilege token: log in to room1, publish the stream s1 there
  token-gen mint --app-id 1234567890 --user-id alice --room-id room1 --media audio --max-stay 1h \\
      --on-expiry kick --single-use
      for one login; only sound; out after an hour, and when the token expires
  token-gen mint --app-id 1234567890 --user-prefix load- --count 100000 --json > tokens.jsonl
      tokens for the users load-1 to load-100000
  token-gen mint --app-id 1234567890 --users users.txt
      one token for each line of users.txt, in its order

--ttl is in seconds or with units (90, 1h10m, 7days), at most 24 days.
--room-id without --privilege grants both, login and publish; --stream-id needs publish. Playing is
granted unless --no-play denies it.
JSON: token, token_id, issued_at, expire_at; for many users each line also has user_id.";

#[derive(Args)]
#[command(after_help = HELP)]
pub(super) struct MintArgs {
    /// The app, 1 to 4294967295
    #[arg(long, value_name = "N")]
    app_id: AppId,
    #[command(flatten)]
    secret: SecretArgs,
    /// The user who will log in with the token
    #[arg(long, value_name = "U", group = "who", required_unless_present_any = ["user_prefix", "users"])]
    user_id: Option<UserId>,
    /// Mint for the users U1, U2, … up to --count
    #[arg(long, value_name = "U", group = "who", requires = "count")]
    user_prefix: Option<String>,
    /// How many users --user-prefix stands for
    #[arg(long, value_name = "N", requires = "user_prefix")]
    count: Option<u64>,
    /// Mint for each line of FILE (- for standard input); empty lines are skipped
    #[arg(long, value_name = "FILE", group = "who")]
    users: Option<PathBuf>,
    #[command(flatten)]
    content: ContentArgs,
    #[command(flatten)]
    terms: TermsArgs,
    #[command(flatten)]
    form: FormArgs,
    /// Print a line of JSON for each token
    #[arg(long)]
    json: bool,
}

/// What a token carries.
#[derive(Args)]
struct ContentArgs {
    /// The room the token is for
    #[arg(long, value_name = "R")]
    room_id: Option<RoomId>,
    /// Every room of the app (an empty room_id)
    #[arg(long, conflicts_with = "room_id")]
    any_room: bool,
    /// What the token grants in the room: login, publish; repeat for both [default: both]
    #[arg(long, value_name = "P", value_delimiter = ',')]
    privilege: Vec<Privilege>,
    /// A stream that may be published; repeat for more; without any, every stream may
    #[arg(long, value_name = "S")]
    stream_id: Vec<StreamId>,
    /// Carry this text, or with @FILE the text of a file, byte for byte instead of rights
    #[arg(long, value_name = "TEXT|@FILE", conflicts_with_all = ["room_id", "any_room", "privilege", "stream_id"])]
    payload: Option<String>,
}

/// How a token is made.
#[derive(Args)]
pub(super) struct FormArgs {
    /// How long the token is good for: seconds, or with units such as 1h10m
    #[arg(long, value_name = "TIME", default_value = "1h", value_parser = ttl)]
    pub(super) ttl: Duration,
    /// The token's version
    #[arg(long, value_enum, default_value = "04")]
    format: VersionArg,
    /// The token's cipher [default: gcm for 04; 03 has only cbc]
    #[arg(long, value_enum)]
    cipher: Option<CipherArg>,
}

#[derive(Clone, Copy, PartialEq, ValueEnum)]
enum VersionArg {
    #[value(name = "04", alias = "token04")]
    Token04,
    #[value(name = "03", alias = "token03")]
    Token03,
}

#[derive(Clone, Copy, PartialEq, ValueEnum)]
enum CipherArg {
    Gcm,
    Cbc,
}

/// A minted token, as scripts read it.
#[derive(Serialize)]
pub(super) struct MintedJson<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    user_id: Option<&'a str>,
    token: &'a str,
    token_id: String,
    issued_at: i64,
    expire_at: i64,
}

impl<'a> MintedJson<'a> {
    pub(super) fn new(minted: &'a Minted, user_id: Option<&'a str>) -> Self {
        Self {
            user_id,
            token: &minted.token,
            token_id: minted.token_id().to_string(),
            issued_at: minted.issued_at.get(),
            expire_at: minted.expire_at.get(),
        }
    }
}

impl MintArgs {
    pub(super) fn run(self) -> Result<Done, Failure> {
        let payload = self.content.payload(&self.terms)?;
        let format = self.form.format()?;
        let (_, secret) = self.secret.load()?;
        let minter = Minter::new(self.app_id, &secret).with_format(format);
        let job = batch::Job { minter, payload, ttl: self.form.ttl, json: self.json };

        if let Some(user_id) = self.user_id {
            let minted = job.mint(user_id)?;
            if self.json {
                output::json(&MintedJson::new(&minted, None))?;
            } else {
                output::line(&minted.token)?;
            }
        } else if let Some(path) = self.users {
            job.run_file(&path)?;
        } else if let (Some(prefix), Some(count)) = (self.user_prefix, self.count) {
            job.run_prefix(&prefix, count)?;
        }
        Ok(Done::Success)
    }
}

impl ContentArgs {
    fn payload(&self, terms: &TermsArgs) -> Result<Payload, Failure> {
        if let Some(text) = &self.payload {
            if terms.are_set() {
                return Err(Failure::usage(
                    "terms such as --no-play are written into a payload of rights, and --payload gives another one",
                    "Leave --payload out and add --room-id R, or write the terms into the payload yourself.",
                ));
            }
            return text_payload(text);
        }
        let builder = match (&self.room_id, self.any_room) {
            (Some(room_id), _) => Rights::builder(room_id),
            (None, true) => Rights::builder_any_room(),
            (None, false) if self.privilege.is_empty() && self.stream_id.is_empty() && !terms.are_set() => {
                return Ok(Payload::Identity);
            }
            (None, false) => {
                return Err(Failure::usage(
                    "--privilege, --stream-id and terms are rights in a room, and no room was given",
                    "Add --room-id R, or --any-room for every room of the app.",
                ));
            }
        };
        rights(terms.add_to(builder)?, &self.privilege, &self.stream_id)
    }
}

/// Rights with `privileges`; both, if none are named.
pub(super) fn rights(
    builder: token_gen::RightsBuilder,
    privileges: &[Privilege],
    stream_ids: &[StreamId],
) -> Result<Payload, Failure> {
    let privileges = match privileges {
        [] => Privileges::ALL,
        named => named.iter().copied().collect(),
    };
    if !stream_ids.is_empty() && !privileges.contains(Privilege::Publish) {
        return Err(Failure::usage(
            "--stream-id says what may be published, and publishing is not granted",
            "Add --privilege publish, or leave --stream-id out.",
        ));
    }
    let builder = builder.allow_all(privileges);
    Ok(Payload::Rights(stream_ids.iter().fold(builder, |builder, stream_id| builder.stream(stream_id)).build()))
}

fn text_payload(text: &str) -> Result<Payload, Failure> {
    let Some(path) = text.strip_prefix('@') else { return Ok(Payload::Text(text.to_owned())) };
    let text = fs::read_to_string(path).map_err(|error| {
        Failure::usage(
            format!("the payload file {path} cannot be read: {error}"),
            "Name a readable file in UTF-8 after the @, or give the text itself.",
        )
    })?;
    Ok(Payload::Text(text))
}

impl FormArgs {
    /// The format asked for, with a warning where it is a weak one.
    pub(super) fn format(&self) -> Result<Format, Failure> {
        match (self.format, self.cipher) {
            (VersionArg::Token04, None | Some(CipherArg::Gcm)) => Ok(Format::Token04Gcm),
            (VersionArg::Token04, Some(CipherArg::Cbc)) => {
                output::warn(
                    "AES-CBC does not protect a token against changes: mint it only for readers that know nothing newer.",
                );
                Ok(Format::Token04Cbc)
            }
            (VersionArg::Token03, None | Some(CipherArg::Cbc)) => {
                output::warn(
                    "token03 is sealed with AES-CBC, which does not protect it against changes: mint it only for readers that \
                     know nothing newer.",
                );
                Ok(Format::Token03)
            }
            (VersionArg::Token03, Some(CipherArg::Gcm)) => Err(Failure::usage(
                "a token03 cannot be sealed with AES-GCM",
                "Leave --format out for a token04 with AES-GCM, or leave --cipher out.",
            )),
        }
    }
}

/// Plain seconds, or a duration with units.
pub(super) fn ttl(text: &str) -> Result<Duration, String> {
    if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()) {
        return text.parse().map(Duration::from_secs).map_err(|_| "too many seconds".to_owned());
    }
    let ttl = humantime::parse_duration(text)
        .map_err(|error| format!("{error}; give seconds (3600) or units (1h10m, 7days)"))?;
    if ttl.subsec_nanos() != 0 {
        return Err("a lifetime is in whole seconds".to_owned());
    }
    Ok(ttl)
}
