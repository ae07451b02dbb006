//! The gateway's status page in a real browser.

use dataflow_tests::Service;
use serde_json::json;

use crate::gateway::{Gateway, write_config};
use crate::graph_in_browser::webdriver::{Browser, Window};

fn ask(gateway: &Gateway, model: &str, text: &str) -> u16 {
    let question = json!({ "model": model, "messages": [{ "role": "user", "content": text }] });
    gateway.ask("POST /v1/chat/completions", &question.to_string()).0
}

#[test]
fn the_page_shows_the_models_their_state_and_what_has_happened() {
    for window in [Window::Desktop(1200, 900), Window::Phone(420, 800)] {
        let Some(browser) = Browser::start(window) else {
            println!("skipped: chromium and chromedriver are not installed");
            return;
        };
        let folder = tempfile::tempdir().unwrap();
        let service = Service::start(&[]);
        let refusing = Service::start(&["--rate-401", "1.0"]);
        let other = format!("  2: {{ base_url: \"{}\", ssl_verify: false }}\n", refusing.url().trim_end_matches("/v1"));
        let config = write_config(folder.path(), service.url(), &other);
        let text =
            std::fs::read_to_string(&config).unwrap().replace("channels:", "  - { id: 2, name: <refusing>, model: n, channel_id: 2, weight: 5 }\nchannels:");
        std::fs::write(&config, text).unwrap();
        let gateway = Gateway::start(folder.path(), &config);
        for number in 0..20 {
            assert_eq!(ask(&gateway, "auto", &format!("question {number}")), 200);
        }
        assert_eq!(ask(&gateway, "nobody", "x"), 404);
        browser.open(&format!("{}/admin", gateway.url()));
        browser.until("document.querySelectorAll('#models tr').length === 2");
        let text = browser.run("return document.querySelector('main').innerText");
        let text = text.as_str().unwrap();
        for part in ["degraded", "1 of 2 models", "fast", "<refusing>", "available", "cooling", "Incorrect API key", "Certificates are not checked: <refusing>"]
        {
            assert!(text.contains(part), "`{part}` in {text}");
        }
        assert_eq!(browser.run("return document.querySelectorAll('#models tr')[0].cells[5].textContent"), "20");
        // It is live: what is asked now is there without loading the page again.
        assert_eq!(ask(&gateway, "fast", "one more"), 200);
        browser.until("document.querySelectorAll('#models tr')[0].cells[5].textContent === '21'");
        browser.until("document.querySelector('#rate path').getAttribute('d').length > 3");
        let width = browser.run("return document.documentElement.scrollWidth <= window.innerWidth");
        assert_eq!(width, json!(true), "the page is not wider than the window");
        assert_eq!(browser.console_errors(), Vec::<String>::new());
        let elsewhere =
            browser.run("return performance.getEntriesByType('resource').map(entry => new URL(entry.name)).filter(url => url.host !== location.host).length");
        assert_eq!(elsewhere, 0, "it works offline");
        drop(gateway);
        browser.until("document.querySelector('#state').textContent === 'not reached'");
    }
}

#[test]
fn the_page_asks_for_the_admin_key() {
    let Some(browser) = Browser::start(Window::Desktop(1000, 800)) else {
        println!("skipped: chromium and chromedriver are not installed");
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let service = Service::start(&[]);
    let config = write_config(folder.path(), service.url(), "gateway: { admin_key: root-key }\n");
    let gateway = Gateway::start(folder.path(), &config);
    browser.open(&format!("{}/admin", gateway.url()));
    browser.until("!document.querySelector('#enter').hidden");
    browser.run("document.querySelector('#key').value = 'root-key'; document.querySelector('#enter').requestSubmit(); return null");
    browser.until("document.querySelectorAll('#models tr').length === 1 && document.querySelector('#enter').hidden");
    assert!(!browser.run("return document.body.innerHTML").as_str().unwrap().contains("root-key"));
}
