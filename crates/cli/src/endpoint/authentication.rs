//! Flags for an endpoint's credentials.

use std::fs;
use std::path::Path;

use clap::ValueEnum;
use tidings_proto::pb;
use tidings_proto::pb::endpoint_authentication::Authorization;

use crate::arguments::secret_in;

/// Credentials for the receiver, beside the signature; all of them are replaced together.
#[derive(clap::Args, Default)]
#[command(next_help_heading = "Authentication (what is given replaces all that the endpoint had)")]
pub(super) struct AuthenticationArgs {
    /// A header to add to each request, like 'X-Api-Key: k-1' or 'X-Api-Key: @FILE'; may be repeated.
    #[arg(long = "header", value_name = "NAME: VALUE", value_parser = header)]
    headers: Vec<(String, String)>,
    /// HTTP Basic: USER:PASSWORD or USER:@FILE.
    #[arg(long, value_name = "USER:PASSWORD", value_parser = user_and_password, conflicts_with_all = ["bearer", "token_url"])]
    basic: Option<(String, String)>,
    /// A fixed bearer token, or @FILE.
    #[arg(long, value_name = "TOKEN", value_parser = text, conflicts_with = "token_url")]
    bearer: Option<String>,
    /// OAuth2 client credentials: the URL of the token endpoint.
    #[arg(long = "oauth2-token-url", id = "token_url", value_name = "URL", requires_all = ["client_id", "client_secret"])]
    token_url: Option<String>,
    /// The client id at the authorization server.
    #[arg(
        long = "oauth2-client-id",
        id = "client_id",
        value_name = "ID",
        requires = "token_url"
    )]
    client_id: Option<String>,
    /// The client's secret, or @FILE.
    #[arg(long = "oauth2-client-secret", id = "client_secret", value_name = "SECRET", value_parser = text, requires = "token_url")]
    client_secret: Option<String>,
    /// A scope to request; may be repeated.
    #[arg(long = "oauth2-scope", value_name = "SCOPE", requires = "token_url")]
    scopes: Vec<String>,
    /// The token's audience, if the server requires it.
    #[arg(long = "oauth2-audience", value_name = "AUDIENCE", requires = "token_url")]
    audience: Option<String>,
    /// The place of id and secret in token requests.
    #[arg(long = "oauth2-credentials-in", value_enum, default_value_t, requires = "token_url")]
    credentials_in: CredentialsIn,
    /// A PEM file with the client certificate for a receiver that requires one, and the intermediate certificates.
    #[arg(long, value_name = "FILE", value_parser = file, requires = "client_key")]
    client_certificate: Option<String>,
    /// A PEM file with the certificate's private key.
    #[arg(long, value_name = "FILE", value_parser = file, requires = "client_certificate")]
    client_key: Option<String>,
    /// A PEM file with the only authorities accepted for the receiver's own certificate.
    #[arg(long, value_name = "FILE", value_parser = file)]
    trusted_ca: Option<String>,
    /// Remove all credentials.
    #[arg(long, conflicts_with_all = ["headers", "basic", "bearer", "token_url", "client_certificate", "trusted_ca"])]
    no_authentication: bool,
}

#[derive(Clone, Copy, Default, ValueEnum)]
enum CredentialsIn {
    #[default]
    Header,
    Body,
}

impl AuthenticationArgs {
    /// `true` if any of the flags was given.
    pub(super) fn is_given(&self) -> bool {
        self.no_authentication || self.message().is_some()
    }

    /// As requests carry it; none if nothing was given.
    pub(super) fn message(&self) -> Option<pb::EndpointAuthentication> {
        let certificate = self.client_certificate.clone().zip(self.client_key.clone());
        let message = pb::EndpointAuthentication {
            headers: self.headers.iter().cloned().collect(),
            authorization: self.authorization(),
            client_certificate: certificate.map(|(chain, key)| pb::ClientCertificate {
                chain,
                key,
                ..pb::ClientCertificate::default()
            }),
            trusted_ca: self.trusted_ca.clone().unwrap_or_default(),
        };
        Some(message).filter(|message| *message != pb::EndpointAuthentication::default())
    }

    fn authorization(&self) -> Option<Authorization> {
        if let Some((username, password)) = self.basic.clone() {
            return Some(Authorization::Basic(pb::BasicAuthorization { username, password }));
        }
        if let Some(token) = self.bearer.clone() {
            return Some(Authorization::Bearer(pb::BearerAuthorization { token }));
        }
        let token_url = self.token_url.clone()?;
        Some(Authorization::Oauth2(pb::OAuth2Authorization {
            token_url,
            client_id: self.client_id.clone().unwrap_or_default(),
            client_secret: self.client_secret.clone().unwrap_or_default(),
            scopes: self.scopes.clone(),
            audience: self.audience.clone().unwrap_or_default(),
            credentials_in: match self.credentials_in {
                CredentialsIn::Header => "header",
                CredentialsIn::Body => "body",
            }
            .to_owned(),
        }))
    }
}

/// A value, or `@` and the file that holds it.
fn text(argument: &str) -> Result<String, String> {
    match argument.strip_prefix('@') {
        Some(path) => secret_in(Path::new(path)).map_err(|error| format!("{error:#}")),
        None => Ok(argument.to_owned()),
    }
}

fn file(path: &str) -> Result<String, String> {
    fs::read_to_string(path).map_err(|error| format!("cannot read {path}: {error}"))
}

fn header(argument: &str) -> Result<(String, String), String> {
    let (name, value) = argument
        .split_once(':')
        .ok_or("a header has a colon: write it like 'X-Api-Key: k-1'")?;
    Ok((name.to_owned(), text(value.trim())?))
}

fn user_and_password(argument: &str) -> Result<(String, String), String> {
    let (user, password) = argument
        .split_once(':')
        .ok_or("name and password are split by a colon: write USER:PASSWORD or USER:@FILE")?;
    Ok((user.to_owned(), text(password)?))
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        authentication: AuthenticationArgs,
    }

    fn parse(line: &[&str]) -> Result<AuthenticationArgs, clap::Error> {
        Line::try_parse_from(std::iter::once(&"endpoint").chain(line)).map(|line| line.authentication)
    }

    fn message(line: &[&str]) -> pb::EndpointAuthentication {
        parse(line).unwrap().message().unwrap()
    }

    #[test]
    fn secrets_are_given_as_they_are_or_in_files() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("secret");
        fs::write(&path, "s3cret\n").unwrap();
        let at = format!("@{}", path.display());
        let given = message(&["--header", "X-Api-Key: k-1", "--header", &format!("X-Other:{at}")]);
        assert_eq!(
            (given.headers["X-Api-Key"].as_str(), given.headers["X-Other"].as_str()),
            ("k-1", "s3cret")
        );
        let basic = |given: pb::EndpointAuthentication| match given.authorization {
            Some(Authorization::Basic(basic)) => (basic.username, basic.password),
            other => panic!("{other:?}"),
        };
        assert_eq!(
            basic(message(&["--basic", &format!("me:{at}")])),
            ("me".into(), "s3cret".into())
        );
        assert_eq!(basic(message(&["--basic", "me:a:b"])), ("me".into(), "a:b".into()));
        let bearer = message(&["--bearer", &at]).authorization;
        assert!(matches!(bearer, Some(Authorization::Bearer(bearer)) if bearer.token == "s3cret"));
        let missing = parse(&["--bearer", "@/no/such/file"]).map(|_| ()).unwrap_err();
        assert!(missing.to_string().contains("cannot read /no/such/file"), "{missing}");
    }

    #[test]
    fn nothing_is_something_else_than_not_given() {
        assert!(!parse(&[]).unwrap().is_given());
        let none = parse(&["--no-authentication"]).unwrap();
        assert!(none.is_given() && none.message().is_none());
        assert!(parse(&["--no-authentication", "--bearer", "t"]).is_err());
    }

    #[test]
    fn what_belongs_together_is_given_together() {
        for line in [
            &["--oauth2-token-url", "https://login.example/token"][..],
            &["--oauth2-scope", "hooks"],
            &["--client-key", "/dev/null"],
            &["--basic", "a:b", "--bearer", "t"],
            &["--header", "X-Api-Key"],
        ] {
            assert!(parse(line).is_err(), "{line:?}");
        }
        let oauth2 = message(&[
            "--oauth2-token-url",
            "https://login.example/token",
            "--oauth2-client-id",
            "tidings",
            "--oauth2-client-secret",
            "s3cret",
            "--oauth2-scope",
            "a",
            "--oauth2-scope",
            "b",
            "--oauth2-credentials-in",
            "body",
        ]);
        let Some(Authorization::Oauth2(oauth2)) = oauth2.authorization else {
            panic!("{oauth2:?}");
        };
        assert_eq!((oauth2.scopes.len(), oauth2.credentials_in.as_str()), (2, "body"));
    }
}
