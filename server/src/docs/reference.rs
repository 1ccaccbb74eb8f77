//! The API reference as HTML, drawn from the OpenAPI document.

use std::fmt::Write;

use roompass_wire::Problem;
use serde_json::Value;

use super::page::{escape, inline, markdown};

/// An operation as the document has it.
struct Operation<'a> {
    method: &'a str,
    path: &'a str,
    object: &'a Value,
}

impl<'a> Operation<'a> {
    fn text(&self, name: &str) -> &'a str {
        self.object[name].as_str().unwrap_or_default()
    }
}

/// Those of `document`, by chapter.
fn operations(document: &Value) -> impl Iterator<Item = Operation<'_>> {
    let paths = document["paths"].as_object().into_iter().flatten();
    paths.flat_map(|(path, methods)| {
        let methods = methods.as_object().into_iter().flatten();
        methods.map(move |(method, object)| Operation { method, path, object })
    })
}

fn chapters(document: &Value) -> impl Iterator<Item = (&str, &str, Vec<Operation<'_>>)> {
    document["tags"].as_array().into_iter().flatten().map(|tag| {
        let name = tag["name"].as_str().unwrap_or_default();
        let its = operations(document).filter(|operation| operation.object["tags"][0] == name).collect();
        (name, tag["description"].as_str().unwrap_or_default(), its)
    })
}

/// The list for the side.
pub(super) fn contents(document: &Value) -> String {
    let mut list = String::new();
    for (chapter, _, operations) in chapters(document) {
        let _ = write!(list, "<h2>{}</h2><ul>", escape(chapter));
        for operation in operations {
            let (id, summary) = (operation.text("operationId"), operation.text("summary"));
            let _ = write!(list, "<li><a href=\"#{}\">{}</a></li>", escape(id), inline(summary));
        }
        list.push_str("</ul>");
    }
    list.push_str("<h2>Types</h2><ul>");
    for (name, _) in schemas(document) {
        let name = escape(name);
        let _ = write!(list, "<li><a href=\"#type-{name}\">{name}</a></li>");
    }
    list + "</ul>"
}

/// Everything.
pub(super) fn body(document: &Value) -> String {
    let info = &document["info"];
    let mut body = format!(
        "<h1>API reference</h1>{}<p>The same for machines: <a href=\"/openapi.json\">/openapi.json</a> (OpenAPI 3.1). \
         Version {}.</p><h2 id=\"callers\">Who calls</h2>",
        markdown(info["description"].as_str().unwrap_or_default()),
        escape(info["version"].as_str().unwrap_or_default()),
    );
    for (name, scheme) in document["components"]["securitySchemes"].as_object().into_iter().flatten() {
        let about = markdown(scheme["description"].as_str().unwrap_or_default());
        let _ = write!(body, "<h4><code>{}</code></h4>{about}", escape(name));
    }
    for (chapter, about, operations) in chapters(document) {
        let _ = write!(body, "<h2>{}</h2>{}", escape(chapter), markdown(about));
        operations.iter().for_each(|operation| write_operation(&mut body, operation));
    }
    body.push_str("<h2>Types</h2>");
    for (name, schema) in schemas(document) {
        let name = escape(name);
        let _ = write!(body, "<article id=\"type-{name}\"><h3>{name}</h3>");
        write_schema(&mut body, schema);
        body.push_str("</article>");
    }
    body
}

/// A list item for each operation that answers with `code`.
pub(super) fn operations_that_answer(document: &Value, code: &str) -> String {
    let answers = |operation: &Operation<'_>| {
        let mut responses = operation.object["responses"].as_object().into_iter().flatten();
        responses.any(|(_, response)| response["content"][Problem::MEDIA_TYPE]["examples"].get(code).is_some())
    };
    let item = |operation: Operation<'_>| {
        let (id, summary) = (escape(operation.text("operationId")), inline(operation.text("summary")));
        format!(
            "<li><a href=\"/docs#{id}\">{summary}</a> <span class=\"soft\">{} {}</span></li>",
            operation.method.to_uppercase(),
            escape(operation.path)
        )
    };
    operations(document).filter(answers).map(item).collect()
}

fn schemas(document: &Value) -> impl Iterator<Item = (&String, &Value)> {
    document["components"]["schemas"].as_object().into_iter().flatten()
}

fn write_operation(body: &mut String, operation: &Operation<'_>) {
    let method = operation.method;
    let _ = write!(
        body,
        "<article id=\"{id}\"><h3>{summary}</h3><p class=\"line\"><span class=\"method {method}\">{upper}</span>\
         <code>{path}</code></p>{about}",
        id = escape(operation.text("operationId")),
        summary = inline(operation.text("summary")),
        upper = method.to_uppercase(),
        path = escape(operation.path),
        about = markdown(operation.text("description")),
    );
    write_parameters(body, operation);
    let request = &operation.object["requestBody"]["content"]["application/json"];
    if !request.is_null() {
        let _ = write!(body, "<h4>Body: {}</h4>", type_of(&request["schema"]));
    }
    let _ = write!(body, "<pre><code>{}</code></pre>", escape(&curl(operation, &request["example"])));
    write_answers(body, operation);
    body.push_str("</article>");
}

fn write_parameters(body: &mut String, operation: &Operation<'_>) {
    let Some(parameters) = operation.object["parameters"].as_array() else { return };
    body.push_str("<h4>Parameters</h4>");
    let rows = parameters.iter().map(|parameter| {
        let needed = if parameter["required"] == true { "" } else { " <span class=\"soft\">optional</span>" };
        let about = parameter["description"].as_str().unwrap_or_default();
        let place = parameter["in"].as_str().unwrap_or_default();
        let name = escape(parameter["name"].as_str().unwrap_or_default());
        let first = format!("<code>{name}</code> <span class=\"soft\">in {}</span>{needed}", escape(place));
        [first, type_of(&parameter["schema"]), inline(about)]
    });
    write_table(body, ["Name", "Type", "Meaning"], rows);
}

fn write_answers(body: &mut String, operation: &Operation<'_>) {
    let mut problems = Vec::new();
    for (status, response) in operation.object["responses"].as_object().into_iter().flatten() {
        let (media_type, content) = match response["content"].as_object().and_then(|content| content.iter().next()) {
            Some((media_type, content)) => (media_type.as_str(), content),
            None => ("", &Value::Null),
        };
        if media_type == Problem::MEDIA_TYPE {
            for (code, example) in content["examples"].as_object().into_iter().flatten() {
                let code = escape(code);
                let link = format!("<a href=\"/docs/problems/{code}\"><code>{code}</code></a>");
                problems.push([status.clone(), link, inline(example["summary"].as_str().unwrap_or_default())]);
            }
            continue;
        }
        let about = inline(response["description"].as_str().unwrap_or_default());
        let kind = match content["schema"]["$ref"].is_null() {
            true => escape(media_type),
            false => type_of(&content["schema"]),
        };
        let _ = write!(body, "<h4>Answer {status}: {kind}</h4><p>{about}</p>");
        if let Some(example) = content.get("example") {
            let _ = write!(body, "<pre><code>{}</code></pre>", escape(&pretty(example)));
        }
    }
    body.push_str("<h4>Refusals</h4>");
    write_table(body, ["Status", "Code", "Meaning"], problems.into_iter());
}

/// How to call it from a shell.
fn curl(operation: &Operation<'_>, example: &Value) -> String {
    let path = operation.path.replace("{app_id}", "$ROOMPASS_APP_ID").replace('{', "$").replace('}', "");
    let mut command = format!("curl -s \"$ROOMPASS_URL{path}\"");
    // curl asks with GET, or with POST where there is a body.
    if operation.method != if example.is_null() { "get" } else { "post" } {
        let _ = write!(command, " -X {}", operation.method.to_uppercase());
    }
    if operation.object["security"].as_array().is_some_and(|schemes| !schemes.is_empty()) {
        command.push_str(" \\\n  -H \"Authorization: Bearer $ROOMPASS_BACKEND_KEY\"");
    }
    if !example.is_null() {
        let _ = write!(command, " \\\n  -H 'Content-Type: application/json' -d '{}'", pretty(example));
    }
    command
}

fn pretty(value: &Value) -> String {
    // Plain data into memory: serde_json has no way to fail here.
    serde_json::to_string_pretty(value).unwrap_or_default()
}

fn write_schema(body: &mut String, schema: &Value) {
    body.push_str(&markdown(&schema["description"].as_str().unwrap_or_default().replace("[`", "`").replace("`]", "`")));
    if let Some(members) = schema["properties"].as_object() {
        let needed = |name: &str| schema["required"].as_array().is_some_and(|all| all.iter().any(|one| one == name));
        let (first, rest): (Vec<_>, Vec<_>) = members.iter().partition(|(name, _)| needed(name));
        let rows = first.into_iter().chain(rest).map(|(name, member)| {
            let optional = if needed(name) { "" } else { " <span class=\"soft\">optional</span>" };
            let about = inline(description(member));
            [format!("<code>{}</code>{optional}", escape(name)), type_of(member), about]
        });
        write_table(body, ["Member", "Type", "Meaning"], rows);
    } else {
        let _ = write!(body, "<p>{}</p>", type_of(schema));
    }
}

/// Of a member; that of an optional type is said of the type within.
fn description(member: &Value) -> &str {
    let within = member["oneOf"].as_array().into_iter().flatten().map(|choice| &choice["description"]);
    std::iter::once(&member["description"]).chain(within).find_map(Value::as_str).unwrap_or_default()
}

fn write_table<const N: usize>(body: &mut String, heads: [&str; N], rows: impl Iterator<Item = [String; N]>) {
    let heads: String = heads.iter().map(|head| format!("<th>{head}</th>")).collect();
    let _ = write!(body, "<div class=\"wide\"><table><thead><tr>{heads}</tr></thead><tbody>");
    for row in rows {
        let cells: String = row.iter().map(|cell| format!("<td>{cell}</td>")).collect();
        let _ = write!(body, "<tr>{cells}</tr>");
    }
    body.push_str("</tbody></table></div>");
}

/// What a schema takes, in words.
fn type_of(schema: &Value) -> String {
    if let Some(name) = schema["$ref"].as_str().and_then(|path| path.rsplit('/').next()) {
        let name = escape(name);
        return format!("<a href=\"#type-{name}\">{name}</a>");
    }
    for list in ["oneOf", "anyOf", "allOf"] {
        if let Some(choices) = schema[list].as_array() {
            let choices = choices.iter().filter(|choice| choice["type"] != "null").map(type_of);
            return choices.collect::<Vec<_>>().join(if list == "allOf" { " and " } else { " or " });
        }
    }
    if let Some(words) = schema["enum"].as_array() {
        let words = words.iter().map(|word| format!("<code>{}</code>", escape(word.as_str().unwrap_or_default())));
        return words.collect::<Vec<_>>().join(" or ");
    }
    let mut kinds = match &schema["type"] {
        Value::Array(kinds) => kinds.iter().filter_map(Value::as_str).filter(|&kind| kind != "null").collect(),
        kind => vec![kind.as_str().unwrap_or("anything")],
    };
    if kinds == ["array"] {
        return format!("list of {}", type_of(&schema["items"]));
    }
    if kinds == ["object"] && schema["properties"].is_object() {
        kinds = vec!["object with"];
        let members = schema["properties"].as_object().into_iter().flatten();
        let members = members.map(|(name, member)| format!("<code>{}</code>: {}", escape(name), type_of(member)));
        return format!("{} {}", kinds.join(" or "), members.collect::<Vec<_>>().join(", "));
    }
    kinds.join(" or ") + &bounds(schema)
}

fn bounds(schema: &Value) -> String {
    let number = |name: &str| schema[name].as_i64();
    let range = |low: Option<i64>, high: Option<i64>| match (low, high) {
        (Some(low), Some(high)) => format!(", {low} to {high}"),
        (Some(low), None) => format!(", at least {low}"),
        (None, Some(high)) => format!(", at most {high}"),
        (None, None) => String::new(),
    };
    let length = range(number("minLength"), number("maxLength"));
    let length = if length.is_empty() { length } else { format!("{length} characters") };
    length + &range(number("minimum"), number("maximum"))
}
