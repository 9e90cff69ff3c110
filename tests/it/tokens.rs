//! Tokens that prove nothing: not presented as they should be, malformed, or signed by nobody who counts.
//!
//! Each is answered 401 with the challenge, and the vault hears of none of them.

use std::io::ErrorKind;
use std::net::{Ipv4Addr, TcpListener};

use serde_json::{Value, json};

use crate::support::client::Request;
use crate::support::entra::{self, AUDIENCE, SCOPE, changed_at, must_serve};
use crate::support::{ORIGIN, PATH, Rig, raw};

/// What it is, and the header lines that it consists of.
type Case<'a> = (&'a str, Vec<(&'a str, Vec<u8>)>);

/// Fails unless every one of these sets of header lines is answered with the challenge, to GET and to HEAD.
async fn assert_challenged(rig: &Rig, cases: &[Case<'_>]) {
    rig.emulator.reset_counters();
    for (label, lines) in cases {
        let with_lines = |request: Request| {
            lines.iter().fold(request.origin(ORIGIN), |request, (name, value)| {
                request.header(name, value)
            })
        };
        let answer = rig.send(with_lines(Request::get(PATH))).await;
        rig.must_challenge(label, &answer);
        let answer = rig.send(with_lines(Request::head(PATH))).await;
        answer.must_be(label, 401, &rig.challenged());
    }
    rig.assert_untouched("refused tokens");
    let answer = rig.get_as(&rig.good_token()).await;
    must_serve("a good token, after all of them", &answer);
}

/// The same for tokens that are presented as they should be.
async fn assert_refused(rig: &Rig, tokens: &[(&str, String)]) {
    let cases: Vec<_> = tokens
        .iter()
        .map(|(label, token)| {
            let line = ("authorization", format!("Bearer {token}").into_bytes());
            (*label, vec![line])
        })
        .collect();
    assert_challenged(rig, &cases).await;
}

fn parts(token: &str) -> [&str; 3] {
    token.split('.').collect::<Vec<_>>().try_into().unwrap()
}

/// The claims that the usual configuration lets in.
fn good_claims(rig: &Rig) -> Value {
    rig.emulator.user_claims(AUDIENCE, SCOPE)
}

/// The header of a good token with these members over it; null removes one.
fn header(rig: &Rig, members: &Value) -> Value {
    let mut header = json!({"typ": "JWT", "alg": "RS256", "kid": rig.emulator.kid()});
    for (name, value) in members.as_object().unwrap() {
        header[name] = value.clone();
    }
    header.as_object_mut().unwrap().retain(|_, value| !value.is_null());
    header
}

#[tokio::test]
async fn a_token_that_is_not_presented_as_one_bearer_token_is_refused() {
    let rig = entra::rig().await;
    let token = rig.good_token();
    let other = rig.good_token();
    let authorization = |value: String| vec![("authorization", value.into_bytes())];
    let twice = |first: String, second: String| {
        vec![
            ("authorization", first.into_bytes()),
            ("authorization", second.into_bytes()),
        ]
    };
    let bearer = |token: &str| format!("Bearer {token}");

    assert_challenged(
        &rig,
        &[
            ("no header", vec![]),
            ("an empty header", authorization(String::new())),
            ("the scheme alone", authorization("Bearer".to_owned())),
            ("the scheme and a space", authorization("Bearer ".to_owned())),
            ("the token alone", authorization(token.clone())),
            ("Basic", authorization("Basic dXNlcjpwYXNzd29yZA==".to_owned())),
            ("Basic with the token", authorization(format!("Basic {token}"))),
            ("a longer scheme", authorization(format!("Bearers {token}"))),
            ("a shorter scheme", authorization(format!("Beare {token}"))),
            ("a colon", authorization(format!("Bearer: {token}"))),
            ("a tab", authorization(format!("Bearer\t{token}"))),
            ("an equals sign", authorization(format!("Bearer={token}"))),
            ("no space", authorization(format!("Bearer{token}"))),
            ("DPoP", authorization(format!("DPoP {token}"))),
            ("in quotes", authorization(format!("Bearer \"{token}\""))),
            ("in brackets", authorization(format!("Bearer <{token}>"))),
            ("something behind", authorization(format!("Bearer {token} {other}"))),
            ("a parameter", authorization(format!("Bearer {token};x=y"))),
            ("a comma", authorization(format!("Bearer {token},"))),
            ("a comma before", authorization(format!(",Bearer {token}"))),
            (
                "joined by a comma",
                authorization(format!("Bearer {token}, Bearer {other}")),
            ),
            ("the scheme twice", authorization(format!("Bearer Bearer {token}"))),
            ("an escaped line break", authorization(format!("Bearer {token}%0A"))),
            ("a form feed", authorization(format!("Bearer {token}%0C"))),
            (
                "bytes that are no text",
                vec![("authorization", [b"Bearer ", token.as_bytes(), b"\xff"].concat())],
            ),
            ("two good lines", twice(bearer(&token), bearer(&other))),
            ("the same line twice", twice(bearer(&token), bearer(&token))),
            ("a bad line behind", twice(bearer(&token), "Basic eA==".to_owned())),
            ("a bad line before", twice("Basic eA==".to_owned(), bearer(&token))),
            ("an empty line behind", twice(bearer(&token), String::new())),
            (
                "a cookie",
                vec![("cookie", format!("access_token={token}").into_bytes())],
            ),
            (
                "a proxy's header",
                vec![("proxy-authorization", bearer(&token).into_bytes())],
            ),
            (
                "a static web app's header",
                vec![("x-ms-auth-token", bearer(&token).into_bytes())],
            ),
            (
                "App Service's headers",
                vec![
                    ("x-ms-token-aad-access-token", token.clone().into_bytes()),
                    ("x-ms-client-principal-id", rig.emulator.user().as_bytes().to_vec()),
                    ("x-ms-client-principal-idp", b"aad".to_vec()),
                ],
            ),
        ],
    )
    .await;
    let query = format!("{PATH}?access_token={token}");
    let answer = rig.get(&query).await;
    rig.must_challenge("the query", &answer);
}

#[tokio::test]
async fn the_scheme_has_no_case_and_white_space_around_a_header_is_none_of_it() {
    let rig = entra::rig().await;
    let token = rig.good_token();

    for value in [
        format!("bearer {token}"),
        format!("BEARER {token}"),
        format!("bEARER {token}"),
        format!("  Bearer {token}"),
        format!("\tBearer {token}\t "),
    ] {
        // As it is written: a client library would trim it itself.
        let request = format!(
            "GET {PATH} HTTP/1.1\r\nHost: localhost\r\nOrigin: {ORIGIN}\r\nAuthorization:{value}\r\n\
             Connection: close\r\n\r\n"
        );
        let answer = raw::exchange(rig.handler.port(), request.as_bytes())
            .await
            .answer("GET");
        must_serve(&value, &answer);
    }
}

#[tokio::test]
async fn a_token_of_another_form_is_refused() {
    let rig = entra::rig().await;
    let token = rig.good_token();
    let [head, claims, signature] = parts(&token);
    let sign = |header: &[u8], claims: &[u8]| rig.emulator.sign_raw(header, claims);
    let good_header = header(&rig, &json!({})).to_string().into_bytes();
    let good = good_claims(&rig).to_string().into_bytes();

    assert_refused(
        &rig,
        &[
            ("garbage", "garbage".to_owned()),
            ("dots", "..".to_owned()),
            ("a dot", ".".to_owned()),
            ("many dots", ".".repeat(1000)),
            ("null", "null".to_owned()),
            ("undefined", "undefined".to_owned()),
            ("one part", head.to_owned()),
            ("two parts", format!("{head}.{claims}")),
            ("four parts", format!("{token}.{signature}")),
            (
                "five parts, as if encrypted",
                format!("{head}.{claims}.{signature}.AAAA.AAAA"),
            ),
            ("a dot before", format!(".{token}")),
            ("a dot behind", format!("{token}.")),
            ("no header", format!(".{claims}.{signature}")),
            ("no claims", format!("{head}..{signature}")),
            ("no signature", format!("{head}.{claims}.")),
            ("20 KB of nothing", "A".repeat(20 * 1024)),
            ("20 KB behind a good token", format!("{token}{}", "A".repeat(20 * 1024))),
            ("20 KB of good claims", {
                let mut claims = good_claims(&rig);
                claims["padding"] = "x".repeat(20 * 1024).into();
                rig.emulator.mint(&claims)
            }),
            ("padded parts", format!("{head}=.{claims}=.{signature}==")),
            ("a padded signature", format!("{token}==")),
            ("a header that is no JSON", sign(b"{", &good)),
            ("a header that is a list", sign(b"[\"RS256\"]", &good)),
            ("a header that is text", sign(b"\"RS256\"", &good)),
            ("claims that are no JSON", sign(&good_header, b"{\"aud\":")),
            ("claims that are a list", sign(&good_header, b"[]")),
            ("claims that are null", sign(&good_header, b"null")),
            ("claims that are not UTF-8", sign(&good_header, b"{\"aud\":\"\xff\"}")),
            (
                "something behind the claims",
                sign(&good_header, &[&good[..], b"{}"].concat()),
            ),
            ("a number that no type holds", {
                let text = String::from_utf8(good.clone()).unwrap();
                sign(
                    &good_header,
                    text.replacen('{', "{\"x\":1e999,\"exp\":1e999,", 1).as_bytes(),
                )
            }),
            ("nested without end", sign(&good_header, "[".repeat(6000).as_bytes())),
        ],
    )
    .await;
}

#[tokio::test]
async fn a_token_that_was_changed_is_refused() {
    let rig = entra::rig().await;
    let token = rig.good_token();
    let [head, claims, signature] = parts(&token);
    let mut better = good_claims(&rig);
    better["oid"] = "00000000-0000-0000-0000-000000000001".into();
    let better = rig.emulator.mint(&better);
    let mut older = good_claims(&rig);
    older["nbf"] = json!(0);
    let older = rig.emulator.mint(&older);
    // 256 bytes leave four unused bits in the last character: the next one in the alphabet sets one of them.
    let alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let (all_but_last, last) = signature.split_at(341);
    let (_, behind) = alphabet.split_once(last).unwrap();
    let stray_bits = format!("{all_but_last}{}", behind.chars().next().unwrap());
    let turned = header(&rig, &json!({"typ": "at+jwt"}));

    // A verified token may be remembered: its variants must not be taken for it.
    must_serve("before", &rig.get_as(&token).await);
    assert_refused(
        &rig,
        &[
            ("another's claims", format!("{head}.{}.{signature}", parts(&better)[1])),
            ("another's signature", format!("{head}.{claims}.{}", parts(&older)[2])),
            ("a changed header", {
                let other = rig.emulator.sign(&turned, &good_claims(&rig));
                format!("{}.{claims}.{signature}", parts(&other)[0])
            }),
            (
                "the first bit of the signature",
                format!("{head}.{claims}.{}", changed_at(signature, 0)),
            ),
            (
                "a bit in its middle",
                format!("{head}.{claims}.{}", changed_at(signature, 170)),
            ),
            (
                "a bit of the claims",
                format!("{head}.{}.{signature}", changed_at(claims, 40)),
            ),
            ("stray bits at its end", format!("{head}.{claims}.{stray_bits}")),
            (
                "a shorter signature",
                format!("{head}.{claims}.{}", signature.split_at(340).0),
            ),
            ("a longer signature", format!("{token}AAAA")),
            ("a signature of zeros", format!("{head}.{claims}.{}", "A".repeat(342))),
            ("a signature of ones", format!("{head}.{claims}.{}w", "_".repeat(341))),
            ("parts in another order", format!("{claims}.{head}.{signature}")),
            ("another case", token.to_ascii_lowercase()),
        ],
    )
    .await;
}

#[tokio::test]
async fn no_algorithm_but_rs256_is_taken() {
    let rig = entra::rig().await;
    let claims = good_claims(&rig);
    let with = |algorithm: Value| {
        let header = header(&rig, &json!({"alg": algorithm}));
        rig.emulator.sign(&header, &claims)
    };
    let rs256_behind = |algorithm: &str| {
        let header = header(&rig, &json!({"alg": algorithm}));
        rig.emulator.sign_raw(header.to_string(), claims.to_string())
    };
    let public = rig.emulator.public_key();
    let confused = |secret: &[u8]| {
        let header = header(&rig, &json!({"alg": "HS256"}));
        rig.emulator.sign_hmac(&header, &claims, secret)
    };

    let mut cases = vec![
        ("HS256 with the PEM", confused(public.pem.as_bytes())),
        ("HS256 with the trimmed PEM", confused(public.pem.trim_end().as_bytes())),
        ("HS256 with the SPKI", confused(&public.spki)),
        ("HS256 with the PKCS#1 form", confused(&public.pkcs1)),
        ("HS256 with the modulus", confused(&public.modulus)),
        ("HS256 with the modulus in base64url", confused(public.n.as_bytes())),
        ("HS256 with the certificate", confused(&public.certificate)),
        ("HS256 with nothing", confused(b"")),
        ("HS256 with the key id", confused(rig.emulator.kid().as_bytes())),
        ("no algorithm", with(Value::Null)),
        ("an algorithm that is a list", with(json!(["RS256"]))),
        ("an algorithm that is a number", with(json!(256))),
        ("none without a key id", {
            rig.emulator.sign(&json!({"alg": "none"}), &claims)
        }),
    ];
    let names = [
        "none", "None", "NONE", "nOnE", "none ", "", "HS256", "HS384", "HS512", "RS384", "RS512", "PS256", "PS384",
        "PS512", "ES256", "ES384", "ES512", "EdDSA", "rs256", "Rs256", "RS256 ", "RSA256", "RS1", "RSA-OAEP",
    ];
    for name in names {
        // What the name promises, RS256 behind the name, and the name before no signature.
        cases.push((name, with(name.into())));
        let hidden = rs256_behind(name);
        let [head, claims, _] = parts(&hidden);
        cases.push((name, format!("{head}.{claims}.")));
        cases.push((name, hidden));
    }
    assert_refused(&rig, &cases).await;
}

#[tokio::test]
async fn a_signature_of_no_published_key_is_refused() {
    let rig = entra::rig().await;
    let claims = good_claims(&rig);
    let long = "k".repeat(8 * 1024);
    let with = |members: Value| rig.emulator.sign(&header(&rig, &members), &claims);
    let kid = rig.emulator.kid();

    assert_refused(
        &rig,
        &[
            ("another key under the same id", rig.emulator.foreign_token(&claims)),
            ("no key id", with(json!({"kid": null}))),
            ("an empty key id", with(json!({"kid": ""}))),
            ("an unknown key id", with(json!({"kid": "unknown"}))),
            ("a number for a key id", with(json!({"kid": 1}))),
            ("a list of key ids", with(json!({"kid": [kid]}))),
            (
                "a key id in another case",
                with(json!({"kid": kid.to_ascii_uppercase()})),
            ),
            ("a key id with a space", with(json!({"kid": format!("{kid} ")}))),
            ("the beginning of a key id", with(json!({"kid": kid.split_at(10).0}))),
            ("a path for a key id", with(json!({"kid": "../../../../dev/null"}))),
            ("a query for a key id", with(json!({"kid": "' OR '1'='1"}))),
            ("a zero byte in a key id", with(json!({"kid": format!("{kid}\0")}))),
            ("a long key id", with(json!({"kid": long}))),
            ("only the thumbprint", with(json!({"kid": null, "x5t": kid}))),
            ("an extension to understand", with(json!({"crit": ["exp"], "exp": 1}))),
            ("unencoded claims", with(json!({"crit": ["b64"], "b64": false}))),
        ],
    )
    .await;
}

#[tokio::test]
async fn nothing_in_a_token_chooses_where_keys_come_from() {
    let rig = entra::rig().await;
    let attacker = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    attacker.set_nonblocking(true).unwrap();
    let address = format!("http://{}", attacker.local_addr().unwrap());
    let foreign = rig.emulator.foreign_key();
    let jwk = json!({"kty": "RSA", "use": "sig", "kid": "theirs", "alg": "RS256", "n": foreign.n, "e": "AQAB"});
    let mut claims = good_claims(&rig);
    let brought = [
        json!({"jku": format!("{address}/keys")}),
        json!({"jku": format!("{}@{}/keys", rig.emulator.authority(), attacker.local_addr().unwrap())}),
        json!({"x5u": format!("{address}/certificate")}),
        json!({"jwk": jwk}),
        json!({"x5c": ["MIIB"], "x5t": "theirs"}),
        json!({"jku": format!("{address}/keys"), "x5u": format!("{address}/certificate"), "jwk": jwk}),
        json!({"kid": format!("{address}/keys")}),
        json!({"iss": address, "issuer": address, "jwks_uri": format!("{address}/keys")}),
    ];

    // Signed by whoever brings the key: refused, with our key id, theirs or none.
    let mut cases = Vec::new();
    for members in &brought {
        for kid in [json!(rig.emulator.kid()), json!("theirs"), Value::Null] {
            let mut members = members.clone();
            if members.get("kid").is_none() {
                members["kid"] = kid;
            }
            cases.push((
                "a key that is brought",
                rig.emulator.sign_foreign(&header(&rig, &members), &claims),
            ));
        }
    }
    claims["iss"] = address.clone().into();
    cases.push(("an issuer that is brought", rig.emulator.mint(&claims)));
    claims["iss"] = rig.emulator.issuer_v2().into();
    claims["tid"] = "../../evil".into();
    cases.push(("a tenant that is brought", rig.emulator.mint(&claims)));
    assert_refused(&rig, &cases).await;

    // Signed by the issuer: what stands beside the key id changes nothing.
    for members in brought.iter().filter(|members| members.get("kid").is_none()) {
        let token = rig.emulator.sign(&header(&rig, members), &good_claims(&rig));
        must_serve(&members.to_string(), &rig.get_as(&token).await);
    }
    // A connection would have been made before the answers above, and would be waiting here.
    assert_eq!(attacker.accept().unwrap_err().kind(), ErrorKind::WouldBlock);
}
