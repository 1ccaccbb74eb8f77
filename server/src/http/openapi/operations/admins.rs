//! Admins of the console: set-up, sign-in, sessions, roles.

use std::collections::BTreeMap;

use axum::http::Method;
use roompass_wire::{
    ErrorCode,
    http::{
        ADMIN_PATH, ADMINS_PATH, AdminItem, AdminsResponse, DoneResponse, EnrolmentResponse, InviteRequest,
        InviteResponse, PASSWORD_PATH, PasswordRequest, RE_AUTHENTICATE_PATH, ReAuthenticateRequest, Role, Roles,
        RolesRequest, SESSION_ID_PATH, SESSION_PATH, SESSIONS_PATH, SETUP_BEGIN_PATH, SETUP_PATH, SIGN_IN_PATH,
        SIGN_OUT_PATH, SearchQuery, SessionItem, SessionResponse, SessionsResponse, SetupBeginRequest, SetupRequest,
        SetupResponse, SignInRequest, TOTP_PATH, TotpRequest,
    },
};

use super::super::operation::{ADMINS, Operation};

const NOW: i64 = 1_800_000_000;
const PASSWORD: &str = "correct horse battery staple";
const TOTP: &str = "123456";

pub(super) fn operations() -> Vec<Operation> {
    [signing_in(), sessions(), credentials(), people()].into_iter().flatten().collect()
}

fn new(id: &'static str, method: Method, path: &'static str, summary: &'static str) -> Operation {
    Operation::new(id, method, path, ADMINS, summary)
}

fn signing_in() -> Vec<Operation> {
    let code = || "k3Jd8sQ2mZ5xW9bT1vN4pA".to_owned();
    let setup = SetupRequest {
        code: code(),
        name: "ada".to_owned(),
        password: PASSWORD.to_owned(),
        enrolment: "enr_4Hq…".to_owned(),
        totp: TOTP.to_owned(),
    };
    let sign_in = SignInRequest { name: "ada".to_owned(), password: PASSWORD.to_owned(), totp: TOTP.to_owned() };
    vec![
        new("is_set_up", Method::GET, SETUP_PATH, "Is there an admin?").answer(
            200,
            "Whether there is.",
            &SetupResponse { done: true, server_time: NOW },
        ),
        new("begin_setup", Method::POST, SETUP_BEGIN_PATH, "Begin the set-up of an admin")
            .about(
                "Takes a set-up code, which stays good, and gives a second factor to enter into an authenticator app.",
            )
            .body(&SetupBeginRequest { code: code() })
            .answer(200, "The second factor.", &enrolment())
            .refuses(&[ErrorCode::Unauthorized]),
        new("finish_setup", Method::POST, SETUP_PATH, "Finish the set-up of an admin")
            .about("Spends the set-up code, makes the admin, and signs in.")
            .body(&setup)
            .answer(201, "The session; its credential is in the cookie.", &session())
            .refuses(&[ErrorCode::Unauthorized, ErrorCode::Conflict]),
        new("sign_in", Method::POST, SIGN_IN_PATH, "Sign in")
            .about("With name, password and second factor. Which of them was wrong is not told.")
            .body(&sign_in)
            .answer(200, "The session; its credential is in the cookie.", &session())
            .refuses(&[ErrorCode::Unauthorized]),
        new("sign_out", Method::POST, SIGN_OUT_PATH, "Sign out").answer(200, "The session has ended.", &done()),
    ]
}

fn sessions() -> Vec<Operation> {
    let item = SessionItem {
        session_id: "5f1c2a9b00c3d7e1".to_owned(),
        current: true,
        source: "203.0.113.7".to_owned(),
        created_at: NOW,
        seen_at: NOW,
        expire_at: NOW + 43_200,
    };
    vec![
        new("show_session", Method::GET, SESSION_PATH, "Who am I?").answer(200, "The session that asks.", &session()),
        new("list_sessions", Method::GET, SESSIONS_PATH, "Where am I signed in?")
            .about("All in one answer: a code signs in once, so at most two begin in a minute, and each ends after 12 hours, or 30 minutes without a request.")
            .answer(200, "Every session of the admin.", &SessionsResponse { sessions: vec![item], server_time: NOW }),
        new("end_session", Method::DELETE, SESSION_ID_PATH, "End a session of mine")
            .answer(200, "It has ended.", &done())
            .refuses(&[ErrorCode::NotFound]),
    ]
}

fn credentials() -> Vec<Operation> {
    let proof = ReAuthenticateRequest { password: PASSWORD.to_owned(), totp: TOTP.to_owned() };
    vec![
        new("re_authenticate", Method::POST, RE_AUTHENTICATE_PATH, "Prove again who I am")
            .about("For what needs a sign-in of the last few minutes: secrets, rotation, roles.")
            .body(&proof)
            .answer(200, "The session, with a recent sign-in.", &session()),
        new("set_password", Method::POST, PASSWORD_PATH, "Set a new password")
            .about("Needs a recent sign-in. Every session of the admin ends.")
            .body(&PasswordRequest { password: PASSWORD.to_owned() })
            .answer(200, "It holds.", &done())
            .refuses(&[ErrorCode::StaleSignIn]),
        new("begin_totp", Method::POST, TOTP_PATH, "Begin a new second factor")
            .about("Needs a recent sign-in. The old one holds until the new one is taken.")
            .answer(200, "The second factor.", &enrolment())
            .refuses(&[ErrorCode::StaleSignIn]),
        new("set_totp", Method::PUT, TOTP_PATH, "Take the new second factor")
            .about("Needs a recent sign-in. Every session of the admin ends.")
            .body(&TotpRequest { enrolment: "enr_4Hq…".to_owned(), totp: TOTP.to_owned() })
            .answer(200, "It holds.", &done())
            .refuses(&[ErrorCode::StaleSignIn]),
    ]
}

fn people() -> Vec<Operation> {
    let ada = AdminItem { name: "ada".to_owned(), roles: roles(Role::Owner), created_at: NOW };
    let invitation = InviteResponse {
        setup_link: "https://rtc.example.com/console/setup#k3Jd…".to_owned(),
        expire_at: NOW + 900,
        server_time: NOW,
    };
    vec![
        new("list_admins", Method::GET, ADMINS_PATH, "List admins")
            .about("`search` finds admins with that in their name.")
            .query::<SearchQuery>()
            .answer(
                200,
                "A page of them, by name.",
                &AdminsResponse { admins: vec![ada], cursor: None, server_time: NOW },
            ),
        new("invite_admin", Method::POST, ADMINS_PATH, "Invite an admin")
            .body(&InviteRequest { name: "grace".to_owned(), roles: roles(Role::Admin) })
            .answer(201, "The invitation, shown once.", &invitation)
            .refuses(&[ErrorCode::Conflict]),
        new("set_roles", Method::PATCH, ADMIN_PATH, "Change what an admin may do")
            .about("The admin's sessions end. The last owner stays one.")
            .body(&RolesRequest { roles: roles(Role::Viewer) })
            .answer(200, "It holds.", &done())
            .refuses(&[ErrorCode::NotFound, ErrorCode::Conflict]),
        new("remove_admin", Method::DELETE, ADMIN_PATH, "Remove an admin")
            .answer(200, "The admin is gone.", &done())
            .refuses(&[ErrorCode::NotFound, ErrorCode::Conflict]),
    ]
}

fn roles(role: Role) -> Roles {
    Roles { everywhere: Some(role), apps: BTreeMap::new() }
}

fn done() -> DoneResponse {
    DoneResponse { server_time: NOW }
}

fn enrolment() -> EnrolmentResponse {
    EnrolmentResponse {
        totp_secret: "JBSWY3DPEHPK3PXP…".to_owned(),
        totp_uri: "otpauth://totp/Roompass?secret=JBSWY3DPEHPK3PXP…".to_owned(),
        enrolment: "enr_4Hq…".to_owned(),
        server_time: NOW,
    }
}

fn session() -> SessionResponse {
    SessionResponse {
        session_id: "5f1c2a9b00c3d7e1".to_owned(),
        name: "ada".to_owned(),
        roles: roles(Role::Owner),
        csrf_token: "c2Vzc2lvbi1ib3VuZA".to_owned(),
        expire_at: NOW + 43_200,
        sudo_until: NOW + 300,
        server_time: NOW,
    }
}
