//! `token-gen verify`: the strict answer, and what a valid token says.

use std::{collections::BTreeMap, io::Write};

use clap::Args;
use serde::Serialize;
use token_gen::{
    Admitted, Format, KitInfo, KitPolicy, KnownSecret, Privilege, Rejection, RoomScope, TermsView, TokenError, TokenId,
    UnixSeconds,
};

use super::{
    Done, Failure,
    login::LoginArgs,
    output::{self, BAD, GOOD},
    token::TokenArg,
};

const HELP: &str = "\
Examples:
  token-gen verify \"$TOKEN\" --app-id 1234567890 --user-id alice --server-secret-file secret.txt
  token-gen verify - --app-id 1234567890 --room-id room1 --stream-id s1 --json < token.txt
  token-gen verify \"$OLD_TOKEN\" --app-id 1234567890 --accept gcm,cbc,03 --at 1795440112

Only token04 with AES-GCM is accepted unless --accept says otherwise; tokens that live longer than
24 days never are. With --room-id and --stream-id the token must also grant login to that room and
publishing of that stream (without --room-id, in the token's own room).

JSON of a valid token:   valid, format, cipher, app_id, user_id, issued_at, expire_at, nonce,
                         payload, token_id; of a token03 also room_id, privilege; of a Kit Token kit;
                         terms, where the payload sets more than the field's rights
JSON of a refused token: valid, code, detail, reason. The codes: malformed, wrong_version,
                         bad_ciphertext, expired, app_mismatch, claims_invalid. A good token that
                         does not allow the login is claims_invalid, with detail room, login,
                         publish, stream or until
`token-gen explain` with the same options says how to put it right.";

#[derive(Args)]
#[command(after_help = HELP)]
pub(super) struct VerifyArgs {
    #[command(flatten)]
    token: TokenArg,
    #[command(flatten)]
    login: LoginArgs,
}

impl VerifyArgs {
    pub(super) fn run(self) -> Result<Done, Failure> {
        self.check(None)
    }

    /// Verifies with Kit Tokens treated by `kit`, where given, instead of by `--accept`.
    pub(super) fn check(self, kit: Option<KitPolicy>) -> Result<Done, Failure> {
        let (name, secret) = self.login.secret.load()?;
        let secrets = [KnownSecret { name: &name, secret: &secret, accepted: true }];
        let mut rules = self.login.rules(&secrets);
        rules.kit = kit.unwrap_or(rules.kit);
        let token = self.token.read()?;
        let now = self.login.now();
        match rules.check(&token, self.login.attempt(), now) {
            Ok(admitted) if self.login.json => output::json(&ValidJson::new(&admitted, &token))?,
            Ok(admitted) => print_valid(&admitted, &token, now)?,
            Err(rejection) => return refuse(&rejection, self.login.json),
        }
        Ok(Done::Success)
    }
}

/// A refusal, as scripts read it.
#[derive(Serialize)]
struct RefusedJson<'a> {
    valid: bool,
    code: &'a str,
    detail: &'a str,
    reason: String,
}

/// Says why a token was refused.
pub(super) fn refuse(rejection: &Rejection, json: bool) -> Result<Done, Failure> {
    let refused =
        RefusedJson { valid: false, code: rejection.class(), detail: rejection.code(), reason: rejection.to_string() };
    print_refusal(&refused, json)
}

/// Says why the form of a token was refused.
pub(super) fn refuse_form(error: &TokenError, json: bool) -> Result<Done, Failure> {
    let code = error.class().map_or("malformed", |class| class.as_str());
    print_refusal(&RefusedJson { valid: false, code, detail: error.code(), reason: error.to_string() }, json)
}

fn print_refusal(refused: &RefusedJson<'_>, json: bool) -> Result<Done, Failure> {
    if json {
        output::json(refused)?;
    } else {
        let RefusedJson { code, detail, reason, .. } = refused;
        // Where there is nothing finer to say than the class, once is enough.
        let codes = if code == detail { (*code).to_owned() } else { format!("{code}, {detail}") };
        writeln!(anstream::stdout().lock(), "{BAD}refused{BAD:#}: {reason} ({codes})")?;
    }
    Ok(Done::Refused)
}

#[derive(Serialize)]
struct ValidJson<'a> {
    valid: bool,
    format: &'a str,
    cipher: &'a str,
    app_id: u32,
    user_id: &'a str,
    issued_at: i64,
    expire_at: i64,
    nonce: i64,
    payload: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    room_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    privilege: Option<BTreeMap<&'static str, u8>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    terms: Option<TermsView>,
    token_id: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    kit: Option<KitJson<'a>>,
}

/// The readable half of a Kit Token.
#[derive(Serialize)]
pub(super) struct KitJson<'a> {
    app_id: u32,
    user_id: &'a str,
    room_id: Option<&'a str>,
    user_name: &'a str,
}

impl<'a> From<&'a KitInfo> for KitJson<'a> {
    fn from(info: &'a KitInfo) -> Self {
        Self {
            app_id: info.app_id.get(),
            user_id: &info.user_id,
            room_id: info.room_id.as_deref(),
            user_name: &info.user_name,
        }
    }
}

impl<'a> ValidJson<'a> {
    fn new(admitted: &'a Admitted, token: &str) -> Self {
        let claims = &admitted.verified.claims;
        // Only a token03 has these claims of its own; a token04 has them inside its payload.
        let rights = match admitted.verified.format {
            Format::Token03 => claims.rights().ok().flatten(),
            Format::Token04Gcm | Format::Token04Cbc => None,
        };
        let granted = |privilege| rights.as_ref().map(|rights| u8::from(rights.privileges().contains(privilege)));
        Self {
            valid: true,
            format: version_name(admitted.verified.format),
            cipher: admitted.verified.format.cipher().as_str(),
            app_id: claims.app_id.get(),
            user_id: &claims.user_id,
            issued_at: claims.issued_at.get(),
            expire_at: claims.expire_at.get(),
            nonce: claims.nonce,
            payload: claims.payload(),
            room_id: rights.as_ref().map(|rights| match rights.room() {
                RoomScope::Any => String::new(),
                RoomScope::Only(room_id) => room_id.clone(),
                RoomScope::Several(several) => several.first().cloned().unwrap_or_default(),
            }),
            terms: claims.rights().ok().flatten().and_then(|rights| TermsView::of(&rights)),
            privilege: granted(Privilege::Login)
                .zip(granted(Privilege::Publish))
                .map(|(login, publish)| BTreeMap::from([("1", login), ("2", publish)])),
            token_id: TokenId::of(token).to_string(),
            kit: admitted.kit.as_ref().map(KitJson::from),
        }
    }
}

/// `token04` or `token03`.
pub(super) fn version_name(format: Format) -> &'static str {
    match format {
        Format::Token04Gcm | Format::Token04Cbc => "token04",
        Format::Token03 => "token03",
    }
}

fn print_valid(admitted: &Admitted, token: &str, now: UnixSeconds) -> Result<(), Failure> {
    let claims = &admitted.verified.claims;
    let left = humantime::format_duration(claims.expire_at.duration_since(now));
    let mut out = anstream::stdout().lock();
    writeln!(out, "{GOOD}valid{GOOD:#}: {}", admitted.verified.format)?;
    output::row(&mut out, "app_id", &claims.app_id.to_string())?;
    output::row(&mut out, "user_id", &output::quoted(&claims.user_id))?;
    output::row(&mut out, "issued_at", &output::instant(claims.issued_at))?;
    output::row(&mut out, "expire_at", &format!("{}, in {left}", output::instant(claims.expire_at)))?;
    output::row(&mut out, "nonce", &claims.nonce.to_string())?;
    match claims.payload() {
        Some("") => output::row(&mut out, "payload", "none: an identity token")?,
        Some(payload) => {
            output::row(&mut out, "payload", &output::quoted(payload))?;
            if let Some(terms) = claims.rights().ok().flatten().and_then(|rights| TermsView::of(&rights)) {
                output::row(&mut out, "terms", &output::quoted(&output::json_line(&terms)?))?;
            }
        }
        None => {
            if let Ok(Some(rights)) = claims.rights() {
                let granted: Vec<_> = rights.privileges().iter().map(Privilege::as_str).collect();
                if let RoomScope::Only(room_id) = rights.room() {
                    output::row(&mut out, "room_id", &output::quoted(room_id))?;
                }
                output::row(&mut out, "privilege", &granted.join(", "))?;
            }
        }
    }
    output::row(&mut out, "token_id", TokenId::of(token).as_str())?;
    if let Some(kit) = &admitted.kit {
        output::row(&mut out, "kit room", &output::quoted(kit.room_id.as_deref().unwrap_or_default()))?;
        output::row(&mut out, "kit name", &output::quoted(&kit.user_name))?;
    }
    Ok(())
}
