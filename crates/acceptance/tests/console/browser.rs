//! A browser without scripts: keeps cookies, follows redirects, submits forms with the fields that they have.

use std::collections::BTreeMap;

use tidings_acceptance::SOON;
use tokio::task::spawn_blocking;

/// The most redirects in a row.
const MAX_REDIRECTS: usize = 5;

/// A browser at one host.
#[derive(Clone)]
pub(crate) struct Browser {
    base: String,
    cookies: BTreeMap<String, String>,
    last_cookie: String,
    pub(crate) language: &'static str,
}

/// A page as it was answered.
#[derive(Clone)]
pub(crate) struct Page {
    pub(crate) status: u16,
    /// Where it is, with its query.
    pub(crate) path: String,
    pub(crate) headers: BTreeMap<String, String>,
    pub(crate) body: Vec<u8>,
    pub(crate) text: String,
}

/// A form of a page.
pub(crate) struct Form {
    pub(crate) is_post: bool,
    pub(crate) action: String,
    pub(crate) fields: Vec<(String, String)>,
}

impl Browser {
    pub(crate) fn new(base: &str) -> Self {
        Self {
            base: base.to_owned(),
            cookies: BTreeMap::new(),
            last_cookie: String::new(),
            language: "en",
        }
    }

    /// The cookie that was set last, as it was set.
    pub(crate) fn last_cookie(&self) -> &str {
        &self.last_cookie
    }

    pub(crate) async fn open(&mut self, path: &str) -> Page {
        self.request("GET", path, &[], "").await
    }

    /// The same with these headers.
    pub(crate) async fn open_with(&mut self, path: &str, headers: &[(&str, &str)]) -> Page {
        self.request("GET", path, headers, "").await
    }

    /// Submits the form of a page that leads to this path, with these values beside those that its fields have.
    pub(crate) async fn submit(&mut self, page: &Page, action: &str, values: &[(&str, &str)]) -> Page {
        let forms = page.forms();
        let form = forms.iter().find(|form| form.is_post && form.action == action);
        let form = form.unwrap_or_else(|| panic!("no form leads to {action}: {}", page.text));
        let mut fields = form.fields.clone();
        for (name, _) in values {
            fields.retain(|(field, _)| field != name);
        }
        fields.extend(
            values
                .iter()
                .map(|(name, value)| ((*name).to_owned(), (*value).to_owned())),
        );
        self.post(action, &fields, &[]).await
    }

    /// Posts a form as a page of this host does, or of another origin if a header says so.
    pub(crate) async fn post(&mut self, path: &str, fields: &[(String, String)], headers: &[(&str, &str)]) -> Page {
        let body: Vec<_> = fields
            .iter()
            .map(|(name, value)| format!("{}={}", encoded(name), encoded(value)))
            .collect();
        let origin = self.base.clone();
        let mut all = vec![
            ("content-type", "application/x-www-form-urlencoded"),
            ("origin", origin.as_str()),
        ];
        for (name, value) in headers {
            all.retain(|(other, _)| other != name);
            all.push((name, value));
        }
        self.request("POST", path, &all, &body.join("&")).await
    }

    async fn request(&mut self, method: &str, path: &str, headers: &[(&str, &str)], body: &str) -> Page {
        let mut page = self.once(method, path, headers, body).await;
        for _ in 0..MAX_REDIRECTS {
            if !(300..400).contains(&page.status) {
                return page;
            }
            let target = page.headers["location"].clone();
            page = self.once("GET", &target, &[], "").await;
        }
        panic!("{path} redirects for ever");
    }

    async fn once(&mut self, method: &str, path: &str, headers: &[(&str, &str)], body: &str) -> Page {
        let mut request = ureq::http::Request::builder()
            .method(method)
            .uri(format!("{}{path}", self.base))
            .header("accept-language", self.language);
        if !self.cookies.is_empty() {
            let cookies: Vec<_> = self
                .cookies
                .iter()
                .map(|(name, value)| format!("{name}={value}"))
                .collect();
            request = request.header("cookie", cookies.join("; "));
        }
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request = request.body(body.as_bytes().to_vec()).unwrap();
        let path = path.to_owned();
        let page = spawn_blocking(move || answer(path, request)).await.unwrap();
        for line in page
            .headers
            .get("set-cookie")
            .map(|lines| lines.split('\n'))
            .into_iter()
            .flatten()
        {
            line.clone_into(&mut self.last_cookie);
            let (pair, attributes) = line.split_once(';').unwrap();
            let (name, value) = pair.split_once('=').unwrap();
            let is_kept_apart = attributes.contains("SameSite=None; Secure; Partitioned");
            assert!(attributes.contains("SameSite=Lax") || is_kept_apart, "{line}");
            match value {
                "" => self.cookies.remove(name),
                value => self.cookies.insert(name.to_owned(), value.to_owned()),
            };
        }
        page
    }
}

fn answer(path: String, request: ureq::http::Request<Vec<u8>>) -> Page {
    let agent: ureq::Agent = ureq::Agent::config_builder()
        .http_status_as_error(false)
        .max_redirects(0)
        .timeout_global(Some(SOON))
        .build()
        .into();
    let answer = agent.run(request).expect("HTTP is answered");
    let mut headers = BTreeMap::<String, String>::new();
    for (name, value) in answer.headers() {
        let value = value.to_str().unwrap();
        let kept = headers.entry(name.to_string()).or_default();
        if !kept.is_empty() {
            kept.push('\n');
        }
        kept.push_str(value);
    }
    let status = answer.status().as_u16();
    let body = answer.into_body().read_to_vec().unwrap();
    Page {
        status,
        path,
        headers,
        text: String::from_utf8_lossy(&body).into_owned(),
        body,
    }
}

impl Page {
    /// Where the links of the page lead on this host, without fragments.
    pub(crate) fn links(&self) -> Vec<String> {
        let here = self.path.split('?').next().unwrap_or_default();
        let links = self
            .text
            .split(" href=\"")
            .skip(1)
            .filter_map(|rest| rest.split('"').next());
        let links = links
            .map(unescaped)
            .map(|link| link.split('#').next().unwrap_or_default().to_owned());
        let links = links.map(|link| {
            if link.starts_with('?') {
                format!("{here}{link}")
            } else {
                link
            }
        });
        links
            .filter(|link| link.starts_with('/') && !link.starts_with("//"))
            .collect()
    }

    pub(crate) fn forms(&self) -> Vec<Form> {
        let forms = self.text.split("<form").skip(1);
        forms
            .map(|form| self.form(form.split("</form>").next().unwrap()))
            .collect()
    }

    fn form(&self, text: &str) -> Form {
        let (tag, inside) = text.split_once('>').unwrap();
        let here = self.path.split('?').next().unwrap_or_default();
        let inputs = inside
            .split("<input")
            .skip(1)
            .filter_map(|input| input.split('>').next());
        let is_sent = |input: &&str| {
            let is_box = input.contains("type=\"checkbox\"") || input.contains("type=\"radio\"");
            !is_box || input.contains(" checked")
        };
        let mut fields: Vec<_> = inputs
            .filter(is_sent)
            .filter_map(|input| Some((attribute(input, "name")?, attribute(input, "value").unwrap_or_default())))
            .collect();
        for area in inside.split("<textarea").skip(1) {
            let (tag, rest) = area.split_once('>').unwrap();
            let content = unescaped(rest.split("</textarea>").next().unwrap());
            fields.extend(attribute(tag, "name").map(|name| (name, content)));
        }
        for select in inside.split("<select").skip(1) {
            let (tag, rest) = select.split_once('>').unwrap();
            let options: Vec<_> = rest
                .split("</select>")
                .next()
                .unwrap()
                .split("<option")
                .skip(1)
                .collect();
            let chosen = options
                .iter()
                .find(|option| option.contains(" selected"))
                .or(options.first());
            let value = chosen.map(|option| {
                let (tag, text) = option.split_once('>').unwrap();
                attribute(tag, "value").unwrap_or_else(|| unescaped(text.split('<').next().unwrap()))
            });
            fields.extend(attribute(tag, "name").zip(value));
        }
        Form {
            is_post: tag.contains("method=\"post\""),
            action: attribute(tag, "action").unwrap_or_else(|| here.to_owned()),
            fields,
        }
    }

    /// Where a link with this text in its tag or content leads.
    #[track_caller]
    pub(crate) fn link(&self, part: &str) -> String {
        let found = self.links().into_iter().find(|link| link.contains(part));
        found.unwrap_or_else(|| panic!("no link with {part}: {}", self.text))
    }

    #[track_caller]
    pub(crate) fn shows(&self, text: &str) -> &Self {
        assert!(
            self.text.contains(text),
            "{} ({}) does not show {text}: {}",
            self.path,
            self.status,
            self.text
        );
        self
    }
}

fn attribute(tag: &str, name: &str) -> Option<String> {
    let rest = tag.split_once(&format!(" {name}=\""))?.1;
    rest.split('"').next().map(unescaped)
}

pub(crate) fn unescaped(text: &str) -> String {
    let text = text
        .replace("&#38;", "&")
        .replace("&amp;", "&")
        .replace("&#34;", "\"")
        .replace("&quot;", "\"");
    text.replace("&#60;", "<")
        .replace("&lt;", "<")
        .replace("&#62;", ">")
        .replace("&gt;", ">")
        .replace("&#39;", "'")
}

fn encoded(text: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'*');
    text.bytes()
        .map(|byte| {
            if plain(byte) {
                char::from(byte).to_string()
            } else {
                format!("%{byte:02X}")
            }
        })
        .collect()
}
