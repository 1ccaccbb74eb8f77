//! The error codes: an index, and a page for each.

use roompass_wire::{ErrorCode, Problem};
use serde_json::Value;

use super::{
    page::{escape, inline, page},
    reference,
};

const HERE: &str = "/docs/problems";

/// Every code.
pub(crate) fn problems() -> String {
    let rows: String = ErrorCode::ALL
        .iter()
        .map(|code| {
            let row = code.row();
            format!(
                "<tr><td><a href=\"{HERE}/{0}\"><code>{0}</code></a></td><td>{1}</td><td>{2}</td><td>{3}</td></tr>",
                row.code,
                row.status,
                number(row.number),
                inline(row.title)
            )
        })
        .collect();
    let body = format!(
        "<h1>Error codes</h1><p>Match on the code: it never changes its meaning. Texts may change, and later versions \
         may add codes. The number is the one that the vendor's SDKs show for the same fault.</p>\
         <div class=\"wide\"><table><thead><tr><th>Code</th><th>Status</th><th>Number</th><th>Meaning</th></tr></thead>\
         <tbody>{rows}</tbody></table></div>"
    );
    page("Error codes", HERE, None, &body)
}

/// One code: what it means, what to do, what it looks like, and which operations of `document` answer with it.
pub(crate) fn problem(code: ErrorCode, example: &Problem, document: &Value) -> String {
    let row = code.row();
    let again =
        if row.retryable { "May help: the same request can succeed later." } else { "Does not help by itself." };
    // Names, numbers and texts: serde_json has no way to fail here.
    let example = serde_json::to_string_pretty(example).unwrap_or_default();
    let operations = reference::operations_that_answer(document, row.code);
    let seen = match operations.is_empty() {
        true => "<p>At the room gateway.</p>".to_owned(),
        false => format!("<ul>{operations}</ul>"),
    };
    let body = format!(
        "<p class=\"crumb\"><a href=\"{HERE}\">Error codes</a></p><h1>{title}</h1>\
         <dl><dt>Code</dt><dd><code>{code}</code></dd><dt>Status</dt><dd>{status}</dd><dt>Number</dt><dd>{number}</dd>\
         <dt>What to do</dt><dd>{remedy}</dd><dt>Trying again</dt><dd>{again}</dd></dl>\
         <h2>Example</h2><pre><code>{example}</code></pre><h2>Where it is answered</h2>{seen}",
        title = inline(row.title),
        code = row.code,
        status = row.status,
        number = number(row.number),
        remedy = remedy(row.remedy),
        example = escape(&example),
    );
    page(row.title, HERE, None, &body)
}

/// Remedies that list characters hold Markdown's own, so only those that quote code are read as Markdown.
fn remedy(text: &str) -> String {
    if text.contains("~!@#") { escape(text) } else { inline(text) }
}

fn number(number: u32) -> String {
    if number == 0 { "none".to_owned() } else { number.to_string() }
}
