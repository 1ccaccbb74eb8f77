//! `token-gen explain`: what is wrong with a token for an attempted login, and how to put it right.

use std::{io::Write, path::PathBuf};

use clap::Args;
use token_gen::{Explanation, KnownSecret, explain};

use super::{
    Done, Failure,
    login::LoginArgs,
    output::{self, BAD, GOOD},
    secret,
    token::TokenArg,
};

const HELP: &str = "\
Examples:
  token-gen explain \"$TOKEN\" --app-id 1234567890 --user-id alice --room-id room1
  token-gen explain - --app-id 1234567890 --also-try retired.txt --json < token.txt

Names every fault it can see, not only the first, each with a remedy. It may read a token more
leniently than verify does (without the white space around it, say) and then says so; valid is what
`token-gen verify` with the same options calls valid. Exit codes and JSON as for verify, with
findings (each code, problem, remedy), valid_after_repair and claims.";

#[derive(Args)]
#[command(after_help = HELP)]
pub(super) struct ExplainArgs {
    #[command(flatten)]
    token: TokenArg,
    #[command(flatten)]
    login: LoginArgs,
    /// Another secret the token may have been sealed with by mistake; repeat for more
    #[arg(long, value_name = "FILE")]
    also_try: Vec<PathBuf>,
}

impl ExplainArgs {
    pub(super) fn run(self) -> Result<Done, Failure> {
        let (name, secret) = self.login.secret.load()?;
        let others = self
            .also_try
            .iter()
            .map(|path| Ok((path.display().to_string(), secret::from_file(path)?)))
            .collect::<Result<Vec<_>, Failure>>()?;
        let mut secrets = vec![KnownSecret { name: &name, secret: &secret, accepted: true }];
        secrets.extend(others.iter().map(|(name, secret)| KnownSecret { name, secret, accepted: false }));

        let token = self.token.read()?;
        let explanation = explain(&token, &self.login.rules(&secrets), self.login.attempt(), self.login.now());
        if self.login.json {
            output::json(&explanation)?;
        } else {
            print(&explanation)?;
        }
        Ok(if explanation.valid { Done::Success } else { Done::Refused })
    }
}

fn print(explanation: &Explanation) -> Result<(), Failure> {
    let mut out = anstream::stdout().lock();
    if let (Some(class), Some(code), Some(reason)) = (explanation.class, explanation.code, &explanation.reason) {
        writeln!(out, "{BAD}refused{BAD:#}: {reason} ({class}, {code})")?;
    } else {
        writeln!(out, "{GOOD}valid{GOOD:#}: nothing is wrong with it")?;
    }
    output::findings(&mut out, &explanation.findings)?;
    match explanation.valid_after_repair {
        Some(true) => writeln!(out, "  With its text put right, the token is good. As it is, it stays refused.")?,
        Some(false) if explanation.claims.is_some() => {
            writeln!(out, "  To look inside, its text was put right; that alone does not make it good.")?;
        }
        _ => {}
    }
    if let Some(claims) = &explanation.claims {
        let number = |value: Option<i64>| value.map_or_else(|| "unreadable".into(), |value| value.to_string());
        let time =
            |value: Option<i64>| value.map_or_else(|| "unreadable".into(), |value| output::instant(value.into()));
        let user_id = claims.user_id.as_deref().map_or_else(|| "unreadable".into(), output::quoted);
        writeln!(out, "it says:")?;
        output::row(&mut out, "app_id", &number(claims.app_id))?;
        output::row(&mut out, "user_id", &user_id)?;
        output::row(&mut out, "issued_at", &time(claims.issued_at))?;
        output::row(&mut out, "expire_at", &time(claims.expire_at))?;
        if let Some(payload) = claims.payload.as_deref().filter(|payload| !payload.is_empty()) {
            output::row(&mut out, "payload", &output::quoted(payload))?;
        }
        if let Some(room_id) = &claims.room_id {
            output::row(&mut out, "room_id", &output::quoted(room_id))?;
        }
        if let Some(privileges) = &claims.privileges {
            output::row(&mut out, "privileges", &privileges.join(", "))?;
        }
        if let Some(terms) = &claims.terms {
            output::row(&mut out, "terms", &output::quoted(&output::json_line(terms)?))?;
        }
    }
    output::row(&mut out, "token_id", &explanation.token_id)?;
    Ok(())
}
