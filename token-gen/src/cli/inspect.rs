//! `token-gen inspect`: the annotated byte map of a token.

use std::io::{self, Write};

use clap::Args;
use serde::Serialize;
use token_gen::{Field, Finding, Inspection, inspect};

use super::{
    Done, Failure,
    output::{self, BOLD, DIM, WARN},
    token::TokenArg,
    verify::KitJson,
};

const HELP: &str = "\
Examples:
  token-gen inspect \"$TOKEN\"
  token-gen inspect - --json < token.txt

Needs no secret, and so proves nothing: anybody can edit the expiry in clear and the info part of a
Kit Token. Exit code 0 also for a broken token: what is wrong with its form is listed under the map
(in JSON: well_formed, findings).";

#[derive(Args)]
#[command(after_help = HELP)]
pub(super) struct InspectArgs {
    #[command(flatten)]
    token: TokenArg,
    /// Print one line of JSON
    #[arg(long)]
    json: bool,
}

impl InspectArgs {
    pub(super) fn run(self) -> Result<Done, Failure> {
        let inspection = inspect(&self.token.read()?);
        if self.json {
            output::json(&InspectionJson::from(&inspection))?;
        } else {
            draw(&mut anstream::stdout().lock(), &inspection)?;
        }
        Ok(Done::Success)
    }
}

#[derive(Serialize)]
struct InspectionJson<'a> {
    token_id: String,
    format: Option<&'a str>,
    cipher: Option<&'a str>,
    expire_at: Option<i64>,
    well_formed: bool,
    fields: Vec<FieldJson<'a>>,
    kit: Option<KitJson<'a>>,
    findings: &'a [Finding],
}

#[derive(Serialize)]
struct FieldJson<'a> {
    name: &'a str,
    offset: usize,
    len: usize,
    hex: String,
    meaning: &'a str,
}

impl<'a> From<&'a Inspection> for InspectionJson<'a> {
    fn from(inspection: &'a Inspection) -> Self {
        Self {
            token_id: inspection.token_id.to_string(),
            format: inspection.version.map(|version| match version.tag() {
                "03" => "token03",
                _ => "token04",
            }),
            cipher: inspection.format.map(|format| format.cipher().as_str()),
            expire_at: inspection.expire_at.map(|expire_at| expire_at.get()),
            well_formed: inspection.findings.is_empty(),
            fields: inspection.fields.iter().map(FieldJson::from).collect(),
            kit: inspection.kit.as_ref().map(KitJson::from),
            findings: &inspection.findings,
        }
    }
}

impl<'a> From<&'a Field> for FieldJson<'a> {
    fn from(field: &'a Field) -> Self {
        Self {
            name: field.name,
            offset: field.range.start,
            len: field.range.len(),
            hex: field.bytes.iter().map(|byte| format!("{byte:02x}")).collect(),
            meaning: &field.meaning,
        }
    }
}

fn draw(out: &mut impl Write, inspection: &Inspection) -> io::Result<()> {
    match (inspection.format, inspection.version) {
        (Some(format), _) => writeln!(out, "{BOLD}{format}{BOLD:#}")?,
        (None, Some(version)) => writeln!(out, "{BOLD}{version}{BOLD:#}, cipher unknown")?,
        (None, None) => writeln!(out, "{BOLD}not a token{BOLD:#}")?,
    }
    output::row(out, "token_id", inspection.token_id.as_str())?;
    if let Some(last) = inspection.fields.last() {
        writeln!(out, "body, {} bytes:", last.range.end)?;
    }
    for field in &inspection.fields {
        draw_field(out, field)?;
    }
    if let Some(kit) = &inspection.kit {
        writeln!(out, "info part after '#', not sealed:")?;
        output::row(out, "app_id", &kit.app_id.to_string())?;
        output::row(out, "user_id", &output::quoted(&kit.user_id))?;
        output::row(out, "room_id", &kit.room_id.as_deref().map_or_else(|| "none".into(), output::quoted))?;
        output::row(out, "user_name", &output::quoted(&kit.user_name))?;
    }
    if !inspection.findings.is_empty() {
        writeln!(out, "{WARN}its form is broken:{WARN:#}")?;
        output::findings(out, &inspection.findings)?;
    }
    Ok(())
}

/// Sixteen bytes a line, the meaning on the first.
fn draw_field(out: &mut impl Write, field: &Field) -> io::Result<()> {
    let mut meaning = Some(&field.meaning);
    for (row, bytes) in field.bytes.chunks(16).enumerate() {
        let offset = field.range.start + row * 16;
        let hex: Vec<String> = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
        match meaning.take() {
            Some(meaning) => writeln!(out, "  {DIM}{offset:04x}{DIM:#}  {:<47}  {meaning}", hex.join(" "))?,
            None => writeln!(out, "  {DIM}{offset:04x}{DIM:#}  {}", hex.join(" "))?,
        }
    }
    Ok(())
}
