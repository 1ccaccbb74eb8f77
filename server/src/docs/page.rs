//! What every page has: the frame, the style, and how text becomes HTML.

use std::sync::LazyLock;

use base64::{Engine, prelude::BASE64_STANDARD};
use pulldown_cmark::{Event, Options, Parser, html};
use sha2::{Digest, Sha256};

const STYLE: &str = include_str!("style.css");
const CHAPTERS: &[(&str, &str)] = &[
    ("/docs", "API reference"),
    ("/docs/problems", "Error codes"),
    ("/docs/config", "Configuration"),
    ("/docs/webhooks", "Webhooks"),
    ("/docs/security", "Security"),
];

static STYLE_HASH: LazyLock<String> =
    LazyLock::new(|| format!("sha256-{}", BASE64_STANDARD.encode(Sha256::digest(STYLE.as_bytes()))));

/// What a content security policy calls our style.
pub(crate) fn style_hash() -> &'static str {
    &STYLE_HASH
}

/// A whole page. `here` is the chapter it is in; `contents` is a list for the side, as HTML; `body` is HTML.
pub(super) fn page(title: &str, here: &str, contents: Option<&str>, body: &str) -> String {
    let chapters: String = CHAPTERS
        .iter()
        .map(|(path, name)| {
            let current = if *path == here { " aria-current=\"page\"" } else { "" };
            format!("<a href=\"{path}\"{current}>{name}</a>")
        })
        .collect();
    let (class, side) = match contents {
        Some(contents) => (
            " class=\"with-side\"",
            // Beside the text where there is room; folded above it where there is not. Without scripts that takes two.
            format!(
                "<nav class=\"side\" aria-label=\"Contents\">{contents}</nav>\
                 <details class=\"fold\"><summary>Contents</summary>{contents}</details>"
            ),
        ),
        None => ("", String::new()),
    };
    let (title, body) = (escape(title), with_labels(body));
    format!(
        "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><title>{title} · Roompass</title>\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\
         <meta name=\"color-scheme\" content=\"light dark\"><link rel=\"icon\" href=\"data:,\">\
         <style>{STYLE}</style></head>\
         <body><header><a class=\"name\" href=\"/docs\">Roompass</a><nav aria-label=\"Chapters\">{chapters}</nav></header>\
         <div{class}>{side}<main>{body}</main></div></body></html>\n"
    )
}

/// Gives every cell of every table the name of its column, for screens too narrow for columns.
fn with_labels(body: &str) -> String {
    let (mut labelled, mut heads, mut column) = (String::with_capacity(body.len()), Vec::new(), 0);
    for piece in body.split_inclusive('>') {
        match piece.rsplit_once('<').map(|(_, tag)| tag) {
            Some("table>") => heads.clear(),
            Some("/th>") => heads.push(piece.trim_end_matches("</th>")),
            Some("tr>") => column = 0,
            Some("td>") => {
                labelled.push_str(piece.trim_end_matches("<td>"));
                labelled.push_str(&format!("<td data-label=\"{}\">", heads.get(column).unwrap_or(&"")));
                column += 1;
                continue;
            }
            _ => {}
        }
        labelled.push_str(piece);
    }
    labelled
}

/// Text for HTML, also within quotes.
pub(super) fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            other => escaped.push(other),
        }
    }
    escaped
}

/// Markdown as HTML. HTML within it is shown, not obeyed; a wide table gets room of its own to scroll in.
pub(super) fn markdown(text: &str) -> String {
    let parser = Parser::new_ext(text, Options::ENABLE_TABLES).map(|event| match event {
        Event::Html(text) | Event::InlineHtml(text) => Event::Text(text),
        other => other,
    });
    let mut rendered = String::new();
    html::push_html(&mut rendered, parser);
    rendered.replace("<table>", "<div class=\"wide\"><table>").replace("</table>", "</table></div>")
}

/// Markdown of one line, without the paragraph around it.
pub(super) fn inline(text: &str) -> String {
    let text = text.replace("[`", "`").replace("`]", "`").replace('\n', " ");
    let rendered = markdown(&text);
    let rendered = rendered.trim();
    rendered.strip_prefix("<p>").and_then(|rest| rest.strip_suffix("</p>")).unwrap_or(rendered).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    // proves T58 (documentation pages)
    #[test]
    fn html_in_a_text_is_shown_and_not_obeyed() {
        for text in ["<script>alert(1)</script>", "a <img src=x onerror=alert(1)> b", "`<b>`"] {
            for rendered in [markdown(text), inline(text), escape(text)] {
                assert!(!["<script", "<img", "<b>"].iter().any(|tag| rendered.contains(tag)), "{rendered}");
            }
        }
        assert_eq!(inline("one `word`"), "one <code>word</code>");
    }

    #[test]
    fn cells_know_their_column() {
        let page = page("x", "/docs", None, &markdown("| A | B |\n|---|---|\n| 1 | `2` |\n| 3 | 4 |"));
        for cell in ["A\">1<", "B\"><code>2<", "A\">3<", "B\">4<"] {
            assert!(page.contains(&format!("<td data-label=\"{cell}")), "{page}");
        }
    }

    #[test]
    fn a_page_needs_nothing_from_elsewhere() {
        let page = page("x", "/docs", None, "");
        assert!(!["http://", "https://", "<script", "@import", "url("].iter().any(|outside| page.contains(outside)));
    }
}
