//! `token-gen kit`: Kit Tokens, a token and a readable half that is not sealed.

use std::io::Write;

use clap::{Args, Subcommand};
use serde::Serialize;
use token_gen::{
    AppId, KitPolicy, KitToken, Minter, Payload, Privilege, Rights, RoomId, SystemRng, TokenRequest, UserId, UserName,
    expire_at_unverified,
};

use super::{
    Done, Failure, clock,
    mint::{self, FormArgs, MintedJson},
    output,
    secret::SecretArgs,
    token::TokenArg,
    verify::{self, KitJson, VerifyArgs},
};

const HELP: &str = "\
Examples:
  token-gen kit mint --app-id 1234567890 --user-id alice --room-id room1 --user-name Alice
  token-gen kit parse \"$KIT_TOKEN\"
  token-gen kit verify \"$KIT_TOKEN\" --app-id 1234567890 --user-id alice

The part after '#' (room, user, name) is not sealed: anybody can edit it, so it is never a
permission. `kit mint` therefore makes a privilege token for the room it names; --basic makes an
identity token, as the public kits do.";

#[derive(Args)]
#[command(after_help = HELP)]
pub(super) struct KitArgs {
    #[command(subcommand)]
    command: KitCommand,
}

#[derive(Subcommand)]
enum KitCommand {
    /// Mint a Kit Token
    Mint(KitMintArgs),
    /// Take a Kit Token apart without the secret
    Parse(KitParseArgs),
    /// Check a Kit Token against the secret: its token, its readable half, and that they agree
    Verify(VerifyArgs),
}

#[derive(Args)]
struct KitMintArgs {
    /// The app, 1 to 4294967295
    #[arg(long, value_name = "N")]
    app_id: AppId,
    #[command(flatten)]
    secret: SecretArgs,
    /// The user who will log in
    #[arg(long, value_name = "U")]
    user_id: UserId,
    /// The room, in the sealed rights and in the readable half
    #[arg(long, value_name = "R")]
    room_id: RoomId,
    /// The display name; anything in UTF-8 [default: empty]
    #[arg(long, value_name = "NAME")]
    user_name: Option<UserName>,
    /// What the token grants in the room: login, publish; repeat for both [default: both]
    #[arg(long, value_name = "P", value_delimiter = ',')]
    privilege: Vec<Privilege>,
    /// Seal no rights: the token proves the user only, and the room is a mere hint
    #[arg(long, conflicts_with = "privilege")]
    basic: bool,
    #[command(flatten)]
    form: FormArgs,
    /// Print one line of JSON: kit_token and the members of `mint --json`
    #[arg(long)]
    json: bool,
}

#[derive(Args)]
struct KitParseArgs {
    #[command(flatten)]
    token: TokenArg,
    /// Print one line of JSON
    #[arg(long)]
    json: bool,
}

impl KitArgs {
    pub(super) fn run(self) -> Result<Done, Failure> {
        match self.command {
            KitCommand::Mint(args) => args.run(),
            KitCommand::Parse(args) => args.run(),
            KitCommand::Verify(args) => args.check(Some(KitPolicy::Required)),
        }
    }
}

impl KitMintArgs {
    fn run(self) -> Result<Done, Failure> {
        let payload = match self.basic {
            true => Payload::Identity,
            false => mint::rights(Rights::builder(&self.room_id), &self.privilege, &[])?,
        };
        let format = self.form.format()?;
        if format == token_gen::Format::Token03 {
            return Err(Failure::usage("a Kit Token holds a token04", "Leave --format out."));
        }
        let (_, secret) = self.secret.load()?;
        let request = TokenRequest { user_id: self.user_id, ttl: self.form.ttl, payload };
        let minter = Minter::new(self.app_id, &secret).with_format(format);
        let minted = minter.mint(&request, clock::now(), &mut SystemRng)?;
        let kit_token =
            KitToken::compose(&minted.token, self.app_id, &request.user_id, &self.room_id, self.user_name.as_ref());
        if self.json {
            output::json(&KitMintedJson { kit_token: &kit_token, minted: MintedJson::new(&minted, None) })?;
        } else {
            output::line(&kit_token)?;
        }
        Ok(Done::Success)
    }
}

#[derive(Serialize)]
struct KitMintedJson<'a> {
    kit_token: &'a str,
    #[serde(flatten)]
    minted: MintedJson<'a>,
}

#[derive(Serialize)]
struct KitParsedJson<'a> {
    token_id: String,
    /// The expiry in clear, where it can be read.
    expire_at: Option<i64>,
    #[serde(flatten)]
    info: KitJson<'a>,
    token: &'a str,
}

impl KitParseArgs {
    fn run(self) -> Result<Done, Failure> {
        let text = self.token.read()?;
        let kit = match KitToken::parse_unverified(&text) {
            Ok(kit) => kit,
            Err(error) => return verify::refuse_form(&error, self.json),
        };
        let token_id = token_gen::TokenId::of(&kit.token).to_string();
        let expire_at = expire_at_unverified(&kit.token).ok();
        if self.json {
            output::json(&KitParsedJson {
                token_id,
                expire_at: expire_at.map(|expire_at| expire_at.get()),
                info: KitJson::from(&kit.info),
                token: &kit.token,
            })?;
            return Ok(Done::Success);
        }
        let mut out = anstream::stdout().lock();
        writeln!(out, "Kit Token, unverified: nothing below is proven")?;
        output::row(&mut out, "app_id", &kit.info.app_id.to_string())?;
        output::row(&mut out, "user_id", &output::quoted(&kit.info.user_id))?;
        output::row(&mut out, "room_id", &kit.info.room_id.as_deref().map_or_else(|| "none".into(), output::quoted))?;
        output::row(&mut out, "user_name", &output::quoted(&kit.info.user_name))?;
        if let Some(expire_at) = expire_at {
            output::row(&mut out, "expire_at", &output::instant(expire_at))?;
        }
        output::row(&mut out, "token_id", &token_id)?;
        output::row(&mut out, "token", &kit.token)?;
        Ok(Done::Success)
    }
}
