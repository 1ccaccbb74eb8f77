//! CBC-R: a token of one's own wording from nothing but answers about padding, byte by byte (Vaudenay 2002; Rizzo and
//! Duong 2010). The attack is real: where padding is told, it forges. Then it is tried on the check of tokens.

use std::collections::BTreeSet;

use aes::{
    Aes256,
    cipher::{BlockModeDecrypt, KeyIvInit, array::Array},
};
use base64::{Engine, engine::general_purpose::STANDARD};
use rand::{TryRng, rngs::SysRng};

use super::{
    check::Attempt,
    check_tests::{NOW, World},
};

const QUESTIONS: usize = 100_000;
/// How often one source is answered in a window.
const OF_A_SOURCE: usize = 5;
const BLOCK: usize = 16;
const EXPIRE: i64 = NOW + 60;

type Block = [u8; BLOCK];

/// Somebody who has no secret, and may ask about tokens.
struct Attacker<O> {
    /// What is answered to a token.
    oracle: O,
    left: usize,
    /// What is answered to most: any other answer tells something.
    usual: String,
}

impl<O: FnMut(&str) -> String> Attacker<O> {
    fn new(mut oracle: O) -> Self {
        let mut answers: Vec<String> = (0..5).map(|_| oracle(&token(&noise(), &noise()))).collect();
        answers.sort();
        Self { oracle, left: QUESTIONS - answers.len(), usual: answers.swap_remove(2) }
    }

    /// Whether `block` after `before` is answered otherwise than most; `None` when no questions are left.
    fn ask(&mut self, before: &Block, block: &Block) -> Option<bool> {
        self.left = self.left.checked_sub(1)?;
        Some((self.oracle)(&token(before, block)) != self.usual)
    }

    /// What `block` decrypts to, from its last byte to its first.
    fn open(&mut self, block: &Block) -> Option<Block> {
        let mut inner = [0; BLOCK];
        for padding in 1..=BLOCK {
            let (at, pad) = (BLOCK - padding, padding as u8);
            let mut before = noise();
            for known in at + 1..BLOCK {
                before[known] = inner[known] ^ pad;
            }
            let mut found = false;
            for guess in 0..=u8::MAX {
                before[at] = guess;
                if !self.ask(&before, block)? {
                    continue;
                }
                // Two bytes of 2 are padding as well as one of 1: another byte before it tells them apart.
                before[at.saturating_sub(1)] ^= u8::from(padding == 1);
                if padding == 1 && !self.ask(&before, block)? {
                    before[at - 1] ^= 1;
                    continue;
                }
                (inner[at], found) = (guess ^ pad, true);
                break;
            }
            if !found {
                return None;
            }
        }
        Some(inner)
    }

    /// A token that says `claims`, from its last block to its first; `None` if the answers do not give it.
    fn forge(&mut self, claims: &str) -> Option<String> {
        let mut wanted = claims.as_bytes().to_vec();
        let padding = BLOCK - wanted.len() % BLOCK;
        wanted.extend(std::iter::repeat_n(padding as u8, padding));
        let mut blocks = vec![noise()];
        for wanted in wanted.as_chunks::<BLOCK>().0.iter().rev() {
            let inner = self.open(blocks.last()?)?;
            blocks.push(std::array::from_fn(|at| inner[at] ^ wanted[at]));
        }
        let iv = blocks.pop()?;
        blocks.reverse();
        Some(token(&iv, blocks.as_flattened()))
    }
}

/// The framing of a CBC token around bytes of one's own.
fn token(iv: &Block, content: &[u8]) -> String {
    let len = |bytes: &[u8]| u16::try_from(bytes.len()).unwrap().to_be_bytes();
    format!("04{}", STANDARD.encode([&EXPIRE.to_be_bytes()[..], &len(iv), iv, &len(content), content].concat()))
}

fn noise() -> Block {
    let mut block = Block::default();
    SysRng.try_fill_bytes(&mut block).unwrap();
    block
}

fn claims() -> String {
    format!(r#"{{"app_id":7,"user_id":"mallory","nonce":1,"ctime":{NOW},"expire":{EXPIRE},"payload":""}}"#)
}

/// Tells whether the padding of a token is right, as careless servers do.
fn leaky(token: &str) -> String {
    let body = STANDARD.decode(&token[2..]).unwrap();
    // After the expiry and a length; after another length.
    let (iv, mut content) = (&body[10..][..BLOCK], body[12 + BLOCK..].to_vec());
    let secret = World::cbc_secret();
    let mut cbc = cbc::Decryptor::<Aes256>::new_from_slices(secret.expose().as_bytes(), iv).unwrap();
    cbc.decrypt_blocks(Array::slice_as_chunks_mut(&mut content).0);
    let pad = content[content.len() - 1];
    let is_good = (1..=BLOCK as u8).contains(&pad) && content.iter().rev().take(pad.into()).all(|byte| *byte == pad);
    is_good.to_string()
}

#[test]
fn where_padding_is_told_a_token_is_forged() {
    let mut attacker = Attacker::new(leaky);
    let forged = attacker.forge(&claims()).expect("the attack works");
    println!("forged with {} questions", QUESTIONS - attacker.left);
    let world = World::new();
    assert_eq!(world.outcome(&forged, "mallory", "any", NOW), "ok", "and it is as good as a real one");
}

// proves T03 (forging)
#[test]
fn a_hundred_thousand_questions_forge_nothing_whoever_asks() {
    let world = World::new();
    let app = world.app();
    let (mut asked, mut told, mut exact) = (0, BTreeSet::new(), BTreeSet::new());
    let mut attacker = Attacker::new(|token: &str| {
        // From ever new addresses, so that no budget ends it.
        let source = format!("2001:db8:{:x}::1", asked / OF_A_SOURCE);
        asked += 1;
        let attempt = Attempt { user_id: Some("mallory"), room_id: Some("r"), source: Some(&source) };
        let answer = match world.tokens.check(&app, token, attempt, NOW.into()) {
            Ok(_) => "ok".to_owned(),
            Err(refusal) => {
                exact.insert(refusal.exact());
                format!("{} {:?}", refusal.code(), refusal.reason())
            }
        };
        told.insert(answer.clone());
        answer
    });
    while attacker.left > 0 {
        assert_eq!(attacker.forge(&claims()), None);
    }
    drop(attacker);
    assert_eq!(asked, QUESTIONS);
    assert_eq!(told, BTreeSet::from(["token_invalid None".to_owned()]));
    assert!(exact.contains("undecryptable") && !exact.contains("cbc_budget"), "all were read: {exact:?}");
}
