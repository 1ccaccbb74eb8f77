//! The shapes of names, for schemas only: bodies carry plain strings, and these say which strings are taken.
//!
//! Nothing here is ever made; the types stand in `#[schema(value_type = …)]`, and in descriptions of the API.

use utoipa::{
    PartialSchema, ToSchema,
    openapi::{
        Ref, RefOr,
        schema::{AdditionalProperties, ObjectBuilder, OneOfBuilder, Schema, Type},
    },
};

use crate::{
    ErrorCode,
    http::{ActiveToken, IntrospectResponse},
};

/// Declares a shape of text: description, longest, pattern, example.
macro_rules! text {
    ($($(#[doc = $doc:literal])+ $name:ident: 1..=$max:literal, $pattern:expr, $example:literal;)*) => {$(
        $(#[doc = $doc])+
        #[derive(Debug)]
        pub enum $name {}

        impl PartialSchema for $name {
            fn schema() -> RefOr<Schema> {
                ObjectBuilder::new()
                    .schema_type(Type::String)
                    .description(Some(concat!($($doc),+).trim()))
                    .min_length(Some(1))
                    .max_length(Some($max))
                    .pattern($pattern)
                    .examples([$example])
                    .into()
            }
        }

        impl ToSchema for $name {}
    )*};
}

const ID: Option<&str> = Some(r"^[A-Za-z0-9~!@#$%^&*()_+=\-`;',.<>\\]+$");

text! {
    /// A user, as the app's backend names them: letters, digits and ``~!@#$%^&*()_+=-`;',.<>\``.
    UserId: 1..=64, ID, "alice";
    /// A room, as the app names it: letters, digits and ``~!@#$%^&*()_+=-`;',.<>\``.
    RoomId: 1..=128, ID, "room1";
    /// A stream: letters, digits, `-` and `_`.
    StreamId: 1..=256, Some(r"^[A-Za-z0-9_\-]+$"), "alice-camera";
    /// A display name: up to 255 bytes of UTF-8 without control characters.
    UserName: 1..=255, Some(r"^[^\u0000-\u001f\u007f-\u009f]+$"), "Alice";
    /// What people call something: up to 255 bytes without control characters.
    Label: 1..=255, Some(r"^[^\u0000-\u001f\u007f-\u009f]+$"), "My app";
    /// Why something was done, for whoever looks later: up to 255 bytes without control characters.
    Reason: 1..=255, Some(r"^[^\u0000-\u001f\u007f-\u009f]+$"), "left the team";
}

/// Either all that is known of an active or revoked token, or `{"active":false}`.
impl PartialSchema for IntrospectResponse {
    fn schema() -> RefOr<Schema> {
        let inactive = ObjectBuilder::new()
            .description(Some("Anything else; nothing is said of why."))
            .property("active", ObjectBuilder::new().schema_type(Type::Boolean).enum_values(Some([false])))
            .required("active")
            .additional_properties(Some(AdditionalProperties::FreeForm(false)));
        OneOfBuilder::new()
            .description(Some(
                "An active token, one that would be but was revoked, or `{\"active\":false}` and nothing more.",
            ))
            .item(Ref::from_schema_name("ActiveToken"))
            .item(inactive)
            .into()
    }
}

impl ToSchema for IntrospectResponse {
    fn schemas(schemas: &mut Vec<(String, RefOr<Schema>)>) {
        schemas.push((ActiveToken::name().into_owned(), ActiveToken::schema()));
        ActiveToken::schemas(schemas);
    }
}

impl PartialSchema for ErrorCode {
    fn schema() -> RefOr<Schema> {
        let codes = ErrorCode::ALL.iter().map(|code| code.as_str());
        ObjectBuilder::new()
            .schema_type(Type::String)
            .description(Some(
                "A stable error code. Later versions may add codes: take one you do not know as a failure.",
            ))
            .enum_values(Some(codes))
            .into()
    }
}

impl ToSchema for ErrorCode {}
