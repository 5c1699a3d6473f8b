use super::*;

const CERTIFICATE: &str = "-----BEGIN CERTIFICATE-----\nMAA=\n-----END CERTIFICATE-----\n";
const KEY: &str = "-----BEGIN PRIVATE KEY-----\nMAA=\n-----END PRIVATE KEY-----\n";

fn headers(headers: &[(&str, &str)]) -> Authentication {
    Authentication {
        headers: headers
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect(),
        ..Authentication::default()
    }
}

fn authorization(json: &str) -> Authentication {
    let json = json.replace('\'', "\"");
    Authentication {
        authorization: Some(serde_json::from_str(&json).unwrap()),
        ..Authentication::default()
    }
}

fn everything() -> Authentication {
    Authentication {
        client_certificate: Some(ClientCertificate {
            chain: CERTIFICATE.into(),
            key: KEY.into(),
        }),
        trusted_ca: Some(CERTIFICATE.into()),
        ..Authentication {
            headers: headers(&[("X-Api-Key", "hunter2")]).headers,
            ..authorization(
                "{'type': 'oauth2', 'token_url': 'https://id.example/token', 'client_id': 'tidings',
                  'client_secret': 'hunter3', 'scopes': ['hooks:send'], 'audience': 'shop'}",
            )
        }
    }
}

#[test]
fn what_is_complete_passes_and_reads_back() {
    let authentication = everything();
    assert_eq!(authentication.check(), Ok(()));
    assert!(!authentication.is_empty());
    let json = serde_json::to_string(&authentication).unwrap();
    assert_eq!(serde_json::from_str::<Authentication>(&json).unwrap(), authentication);

    let nothing = Authentication::default();
    assert_eq!(nothing.check(), Ok(()));
    assert!(nothing.is_empty());
    assert_eq!(serde_json::to_string(&nothing).unwrap(), "{}");
    assert!(serde_json::from_str::<Authentication>(r#"{"header": {}}"#).is_err());
    let unknown = r#"{"authorization": {"type": "bearer", "token": "x", "scope": "y"}}"#;
    assert!(serde_json::from_str::<Authentication>(unknown).is_err());
}

#[test]
fn no_secret_is_shown_or_printed() {
    let authentication = everything();
    let shown = serde_json::to_string(&authentication.masked()).unwrap();
    let printed = format!("{authentication:?}");
    for secret in ["hunter2", "hunter3", "PRIVATE KEY"] {
        assert!(!shown.contains(secret), "{shown}");
        assert!(!printed.contains(secret), "{printed}");
    }
    for public in ["X-Api-Key", "oauth2", "https://id.example/token", "hooks:send", "shop"] {
        assert!(shown.contains(public), "{public} in {shown}");
    }
    for json in [
        "{'type': 'basic', 'username': 'shop', 'password': 'hunter2'}",
        "{'type': 'bearer', 'token': 'hunter2'}",
    ] {
        let authentication = authorization(json);
        let shown = serde_json::to_string(&authentication.masked()).unwrap();
        assert!(!(shown + &format!("{authentication:?}")).contains("hunter2"));
    }
}

#[test]
fn what_was_masked_is_not_taken_for_a_secret() {
    let authentication = everything();
    let masked = authentication.masked();
    let parts = [
        Authentication {
            headers: masked.headers.clone(),
            ..Authentication::default()
        },
        Authentication {
            authorization: masked.authorization.clone(),
            ..Authentication::default()
        },
        Authentication {
            client_certificate: masked.client_certificate.clone(),
            ..Authentication::default()
        },
    ];
    for part in parts {
        let error = part.check().unwrap_err();
        assert!(matches!(error, AuthenticationError::Masked(_)), "{error}");
    }
}

#[test]
fn headers_that_are_not_the_tenants_to_set_are_refused() {
    for name in [
        "Host",
        "content-length",
        "Content-Type",
        "transfer-encoding",
        "connection",
        "TE",
        "trailer",
        "upgrade",
        "keep-alive",
        "Proxy-Authorization",
        "proxy-connection",
        "expect",
        "accept-encoding",
        "traceparent",
        "Webhook-Signature",
    ] {
        let refused = headers(&[(name, "x")]).check();
        assert_eq!(refused, Err(AuthenticationError::HeaderReserved(name.into())));
    }
    for name in ["", "x y", "x:", "x\r\ny", "ü", "x(", &"x".repeat(101)] {
        let refused = headers(&[(name, "x")]).check();
        assert_eq!(refused, Err(AuthenticationError::HeaderName(name.into())));
    }
    let twice = headers(&[("X-Key", "a"), ("x-key", "b")]).check();
    assert_eq!(twice, Err(AuthenticationError::HeaderTwice("x-key".into())));
    let many: Vec<String> = (0..21).map(|n| format!("x-{n}")).collect();
    let many: Vec<(&str, &str)> = many.iter().map(|name| (name.as_str(), "x")).collect();
    assert_eq!(headers(&many).check(), Err(AuthenticationError::TooManyHeaders(21)));
    assert_eq!(headers(&many[..20]).check(), Ok(()));
}

#[test]
fn a_header_value_stays_on_its_line() {
    for value in ["a\r\nb", "a\nb", "a\0", " a", "a ", "\ta", "ä", "a\u{7f}"] {
        let refused = headers(&[("x-key", value)]).check();
        assert_eq!(
            refused,
            Err(AuthenticationError::HeaderValue("x-key".into())),
            "{value:?}"
        );
    }
    let empty = headers(&[("x-key", "")]).check();
    assert_eq!(empty, Err(AuthenticationError::HeaderEmpty("x-key".into())));
    for value in ["a b\tc", "~!\"#", &"x".repeat(4096)] {
        assert_eq!(headers(&[("x-key", value)]).check(), Ok(()), "{value:?}");
    }
    let long = headers(&[("x-key", &"x".repeat(4097))]).check();
    assert_eq!(long, Err(AuthenticationError::TooLong("the value of a header")));
}

#[test]
fn authorization_is_given_once() {
    let own_scheme = headers(&[("Authorization", "ApiKey abc")]);
    assert_eq!(own_scheme.check(), Ok(()));
    let both = Authentication {
        headers: own_scheme.headers,
        ..authorization("{'type': 'bearer', 'token': 'abc'}")
    };
    let refused = AuthenticationError::AuthorizationTwice("Authorization".into());
    assert_eq!(both.check(), Err(refused));
}

#[test]
fn authorization_is_what_its_specification_allows() {
    let check = |json: &str| authorization(json).check();
    let bearer = |token: &str| check(&format!("{{'type': 'bearer', 'token': '{token}'}}"));
    for token in ["abc", "a.b-c_d~e+f/g==", "eyJhbGciOiJIUzI1NiJ9.e30.c2ln"] {
        assert_eq!(bearer(token), Ok(()));
    }
    for token in ["", "=", "a b", "Bearer abc", "a=b", "ä", "a,b"] {
        assert_eq!(bearer(token), Err(AuthenticationError::Token), "{token}");
    }
    let basic = |username: &str, password: &str| {
        check(&format!(
            "{{'type': 'basic', 'username': '{username}', 'password': '{password}'}}"
        ))
    };
    assert_eq!(basic("Jürgen", "a:b ö"), Ok(()));
    assert_eq!(basic("a:b", "x"), Err(AuthenticationError::Username));
    assert_eq!(basic("a\\n", "x"), Err(AuthenticationError::Username));
    assert_eq!(basic("a", "x\\u0000"), Err(AuthenticationError::Password));
    for (username, password) in [("a ", "x"), ("a", "x "), ("a", "x\u{200b}"), ("\u{feff}a", "x")] {
        let refused = basic(username, password);
        assert!(matches!(refused, Err(AuthenticationError::Stray(..))), "{refused:?}");
    }
}

#[test]
fn oauth2_settings_are_what_their_specification_allows() {
    let check = |url: &str, id: &str, scope: &str, audience: &str| {
        authorization(&format!(
            "{{'type': 'oauth2', 'token_url': '{url}', 'client_id': '{id}', 'client_secret': 'x',
               'scopes': ['{scope}'], 'audience': '{audience}', 'credentials_in': 'body'}}"
        ))
        .check()
    };
    let url = "https://id.example/token?tenant=1";
    assert_eq!(check(url, "my id", "a:b", "https://api.example/"), Ok(()));
    for url in [
        "ftp://id.example/",
        "https://user@id.example/",
        "https://:secret@id.example/",
        "https://id.example/#here",
    ] {
        assert_eq!(check(url, "id", "a", "b"), Err(AuthenticationError::TokenUrl), "{url}");
    }
    assert_eq!(
        check(url, "", "a", "b"),
        Err(AuthenticationError::Client("`client_id`"))
    );
    assert_eq!(
        check(url, "ä", "a", "b"),
        Err(AuthenticationError::Client("`client_id`"))
    );
    assert_eq!(
        check(url, "id", "a b", "b"),
        Err(AuthenticationError::Scope("a b".into()))
    );
    assert_eq!(check(url, "id", "a", ""), Err(AuthenticationError::Audience));
}

#[test]
fn certificates_and_keys_are_pem() {
    let certificate = |chain: &str, key: &str| {
        Authentication {
            client_certificate: Some(ClientCertificate {
                chain: chain.into(),
                key: key.into(),
            }),
            ..Authentication::default()
        }
        .check()
    };
    let no_chain = Err(AuthenticationError::Certificate("the client certificate"));
    assert_eq!(certificate(&CERTIFICATE.repeat(3), KEY), Ok(()));
    assert_eq!(certificate("", KEY), no_chain);
    assert_eq!(certificate(KEY, KEY), no_chain);
    assert_eq!(certificate(&CERTIFICATE.replace("MAA=", "!"), KEY), no_chain);
    let with_key = certificate(&[KEY, CERTIFICATE].concat(), KEY);
    let refused = AuthenticationError::NotOnlyCertificates("the client certificate");
    assert_eq!(with_key, Err(refused));
    assert_eq!(certificate(&format!("subject=shop\n{CERTIFICATE}"), KEY), Ok(()));
    assert_eq!(certificate(CERTIFICATE, ""), Err(AuthenticationError::Key));
    assert_eq!(certificate(CERTIFICATE, CERTIFICATE), Err(AuthenticationError::Key));
    let encrypted = KEY.replace("PRIVATE", "ENCRYPTED PRIVATE");
    assert_eq!(certificate(CERTIFICATE, &encrypted), Err(AuthenticationError::Key));

    let ca = |pem: String| {
        Authentication {
            trusted_ca: Some(pem),
            ..Authentication::default()
        }
        .check()
    };
    assert_eq!(ca(CERTIFICATE.into()), Ok(()));
    assert_eq!(
        ca("junk".into()),
        Err(AuthenticationError::Certificate("the trusted CA"))
    );
    let long = ca(CERTIFICATE.repeat(2000));
    assert!(matches!(long, Err(AuthenticationError::TooLongTogether(_))), "{long:?}");
}
