//! What is shown: a title, users beside streams, what happened, and the line that is being typed.

use std::time::Duration;

use roompass_sdk::{Room, Stream, User};

use crate::journal::{self, Journal};

/// All there is to show.
pub(crate) struct View<'a> {
    pub(crate) room: &'a Room,
    pub(crate) user_id: &'a str,
    pub(crate) journal: &'a Journal,
    pub(crate) typed: &'a str,
}

/// The lines of a screen of that many columns and rows.
pub(crate) fn draw(view: &View<'_>, (columns, rows): (usize, usize)) -> Vec<String> {
    let (users, streams) = (view.room.users(), view.room.streams());
    let half = columns / 2;
    let listed = users.len().max(streams.len()).min(rows / 3);
    let mut lines = vec![
        bold(&fit(&title(view), columns)),
        fit(&rights(view.room), columns),
        format!(
            "{}{}",
            rule(&format!("Users ({})", users.len()), half),
            rule(&format!("Streams ({})", streams.len()), columns - half)
        ),
    ];
    for row in 0..listed {
        let user = users.get(row).map(|user| user_line(user, view.user_id)).unwrap_or_default();
        let stream = streams.get(row).map(stream_line).unwrap_or_default();
        lines.push(format!("{}{}", fit(&user, half), fit(&stream, columns - half)));
    }
    lines.push(rule("", columns));
    let space = rows.saturating_sub(lines.len() + 2);
    lines.extend(view.journal.last(space).map(|line| fit(line, columns)));
    while lines.len() + 2 < rows {
        lines.push(String::new());
    }
    lines.push(rule("/help lists commands, Ctrl-C leaves", columns));
    // The end of what is typed must be seen, however wide it is.
    let hidden = view.typed.chars().count().saturating_sub(columns / 2 - 2);
    lines.push(format!("> {}", view.typed.chars().skip(hidden).collect::<String>()));
    lines
}

fn title(view: &View<'_>) -> String {
    let state = journal::state(&view.room.state());
    let token = match view.room.token_left() {
        None => "no token".to_owned(),
        Some(Duration::ZERO) => "token expired".to_owned(),
        Some(left) => {
            let secs = left.as_secs();
            format!("token {:02}:{:02}:{:02}", secs / 3600, secs / 60 % 60, secs % 60)
        }
    };
    format!("{} as {}  |  {state}  |  {token}", view.room.room_id(), view.user_id)
}

fn rights(room: &Room) -> String {
    let may: Vec<&str> = room.admission().privileges.iter().map(|privilege| privilege.as_str()).collect();
    let extra: Vec<String> = room.room_extra().iter().map(|extra| format!("{}={}", extra.key, extra.value)).collect();
    format!("may {}  {}", may.join(", "), extra.join("  "))
}

fn user_line(user: &User, own_id: &str) -> String {
    let you = if user.user_id == own_id { " (you)" } else { "" };
    let extra = user.extra.as_ref().map(|extra| format!(" [{extra}]")).unwrap_or_default();
    format!(" {}{you}{extra}", user.user_id)
}

fn stream_line(stream: &Stream) -> String {
    format!(" {} of {}", stream.stream_id, stream.user_id)
}

fn rule(title: &str, width: usize) -> String {
    let title = if title.is_empty() { String::new() } else { format!(" {title} ") };
    let title: String = title.chars().take(width.saturating_sub(2)).collect();
    let rest = width.saturating_sub(title.chars().count() + 2);
    format!("--{title}{}", "-".repeat(rest))
}

/// Exactly that wide. What others say must not move the cursor, so control characters are shown as dots.
fn fit(text: &str, width: usize) -> String {
    let (mut shown, mut used) = (String::new(), 0);
    for letter in text.chars().map(|letter| if letter.is_control() { '.' } else { letter }) {
        let columns = columns_of(letter);
        if used + columns > width {
            break;
        }
        shown.push(letter);
        used += columns;
    }
    shown + &" ".repeat(width - used)
}

/// How many columns terminals give a letter: two for most of East Asia and for pictures.
fn columns_of(letter: char) -> usize {
    let is_wide = matches!(
        letter,
        '\u{1100}'..='\u{115f}' | '\u{2e80}'..='\u{a4cf}' | '\u{ac00}'..='\u{d7a3}' | '\u{f900}'..='\u{faff}'
            | '\u{fe30}'..='\u{fe6f}' | '\u{ff00}'..='\u{ff60}' | '\u{1f300}'..='\u{1faff}' | '\u{20000}'..='\u{3fffd}'
    );
    if is_wide { 2 } else { 1 }
}

fn bold(text: &str) -> String {
    format!("\x1b[1m{text}\x1b[0m")
}
