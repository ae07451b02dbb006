//! The graph's page in a real browser: it is read, dragged, zoomed and searched there.

pub mod webdriver;

use dataflow::graph_page::{GraphPage, OpenBrowser, serve};
use dataflow_core::graph::{PipelineGraph, fixtures};
use serde_json::{Value, json};

use webdriver::{Browser, Mouse, Window};

const DESKTOP: Window = Window::Desktop(1400, 1000);
const PHONE: Window = Window::Phone(420, 800);

/// Serves a graph, opens its page, does `test` there, and holds the page to what always has to be true.
fn check(graph: &PipelineGraph, window: Window, test: impl FnOnce(&Browser)) {
    let Some(browser) = Browser::start(window) else {
        println!("skipped: chromium and chromedriver are not installed");
        return;
    };
    let served = serve(graph, GraphPage { port: 0, open_browser: OpenBrowser::No }).unwrap();
    browser.open(&served.url());
    test(&browser);
    assert_eq!(browser.console_errors(), Vec::<String>::new());
    assert_eq!(browser.run("return performance.getEntriesByType('resource').map(entry => entry.name)"), json!([]));
}

/// The rectangle of the first element that a selector finds: left, top, right, bottom.
fn rectangle(browser: &Browser, selector: &str) -> [f64; 4] {
    let script = format!("const r = document.querySelector({}).getBoundingClientRect(); return [r.left, r.top, r.right, r.bottom]", json!(selector));
    serde_json::from_value(browser.run(&script)).unwrap()
}

fn middle(browser: &Browser, selector: &str) -> (f64, f64) {
    let [left, top, right, bottom] = rectangle(browser, selector);
    (f64::midpoint(left, right), f64::midpoint(top, bottom))
}

fn click(browser: &Browser, selector: &str) {
    let (x, y) = middle(browser, selector);
    browser.mouse(&[Mouse::To(x, y), Mouse::Down, Mouse::Up]);
}

fn hover(browser: &Browser, selector: &str) {
    let (x, y) = middle(browser, selector);
    browser.mouse(&[Mouse::To(x + 2.0, y), Mouse::To(x, y)]);
}

fn node(id: &str) -> String {
    format!(".node[data-id='{id}'] .box")
}

fn way(source: &str, target: &str) -> String {
    format!(".edge[data-source='{source}'][data-target='{target}'] .way")
}

fn path(browser: &Browser, source: &str, target: &str) -> Value {
    browser.run(&format!("return document.querySelector({}).getAttribute('d')", json!(way(source, target))))
}

fn boxes_apart(browser: &Browser) {
    let overlaps = browser.run(
        "const boxes = [...document.querySelectorAll('.node .box')].map(box => box.getBoundingClientRect());
         const labels = [...document.querySelectorAll('#labels > g')].map(label => label.getBoundingClientRect()).filter(label => label.width);
         const meet = (a, b) => a.left < b.right && b.left < a.right && a.top < b.bottom && b.top < a.bottom;
         const all = [...boxes, ...labels];
         return all.flatMap((one, i) => all.slice(i + 1).filter(other => meet(one, other))).length",
    );
    assert_eq!(overlaps, 0);
}

#[test]
fn every_step_is_there_and_nothing_overlaps() {
    for (graph, steps) in [(fixtures::translate(), 3), (fixtures::long(), 25)] {
        check(&graph, DESKTOP, |browser| {
            let texts = browser.run("return [...document.querySelectorAll('.node.step')].map(node => node.textContent)");
            let texts: Vec<String> = serde_json::from_value(texts).unwrap();
            assert_eq!(texts.len(), steps);
            for (at, text) in texts.iter().enumerate() {
                assert!(text.contains(&format!("(step={})", at + 1)), "{text}");
            }
            assert_eq!(browser.run("return document.querySelector('h1').textContent"), graph.name);
            boxes_apart(browser);
            click(browser, "#fit");
            click(browser, "#untouched");
            boxes_apart(browser);
            // No text is wider than its box, in whatever fonts this machine has.
            let wide = browser.run(
                "return [...document.querySelectorAll('.node')].flatMap(node => { const box = node.querySelector('.box').getBoundingClientRect();
                   return [...node.querySelectorAll('text')].filter(text => text.getBoundingClientRect().right > box.right + 1).map(text => text.textContent) })",
            );
            assert_eq!(wide, json!([]));
            let wide = browser.run(
                "return [...document.querySelectorAll('#labels > g')].flatMap(label => { const box = label.querySelector('rect').getBoundingClientRect();
                   return [...label.querySelectorAll('text')].filter(text => text.getBoundingClientRect().width > box.width).map(text => text.textContent) })",
            );
            assert_eq!(wide, json!([]));
        });
    }
}

#[test]
fn a_dragged_node_takes_its_lines_along() {
    check(&fixtures::translate(), DESKTOP, |browser| {
        let before = rectangle(browser, &node("step_2"));
        let lines = [("step_1", "step_2"), ("step_2", "step_3"), ("step_2", "output")];
        let paths = lines.map(|(source, target)| path(browser, source, target));
        let other = path(browser, "input", "step_1");
        let (x, y) = middle(browser, &node("step_2"));
        browser.mouse(&[Mouse::To(x, y), Mouse::Down, Mouse::To(x + 60.0, y + 5.0), Mouse::To(x + 180.0, y + 30.0), Mouse::Up]);
        let after = rectangle(browser, &node("step_2"));
        assert!((after[0] - before[0] - 180.0).abs() < 2.0 && (after[1] - before[1] - 30.0).abs() < 2.0, "{before:?} {after:?}");
        for ((source, target), old) in lines.into_iter().zip(paths) {
            assert_ne!(path(browser, source, target), old, "{source} {target}");
        }
        assert_eq!(path(browser, "input", "step_1"), other);
        // The line still begins at the node's edge.
        let [left, top, right, bottom] = rectangle(browser, &way("step_2", "step_3"));
        assert!(top <= after[3] + 2.0 && bottom > after[3] && left < after[2] && right > after[0], "{left} {top} {right} {bottom} {after:?}");
        assert_eq!(browser.run("return panel.classList.contains('pinned') && !panel.hidden"), false);
    });
}

#[test]
fn details_show_the_parameters_and_keys() {
    check(&fixtures::translate(), DESKTOP, |browser| {
        hover(browser, &node("step_1"));
        browser.until("!panel.hidden");
        let text = browser.run("return panel.innerText").as_str().unwrap().to_owned();
        for part in [
            "PromptedGenerator",
            "(step=1)",
            "generate",
            "default",
            "core_text",
            "raw_content",
            "content_zh",
            "input_key",
            "system_prompt",
            "Translate \"into\" Chinese.</script><b>|\\n",
        ] {
            assert!(text.contains(part), "{part} in {text}");
        }
        browser.mouse(&[Mouse::To(1390.0, 800.0)]);
        browser.until("panel.hidden");

        hover(browser, "#labels > g[data-source='step_1'][data-target='step_2']");
        browser.until("!panel.hidden && panel.innerText.includes('chinese → french') && panel.innerText.includes('content_zh')");
        click(browser, &node("step_3"));
        browser.until("panel.classList.contains('pinned') && panel.innerText.includes('check')");
        browser.mouse(&[Mouse::To(1390.0, 800.0)]);
        hover(browser, &node("step_1"));
        browser.until("!panel.hidden && panel.innerText.includes('check')");
        browser.keys(&["\u{e00c}"]);
        browser.until("panel.hidden");
    });
}

#[test]
fn details_never_cover_the_pointer_or_leave_the_window() {
    for window in [DESKTOP, Window::Desktop(700, 620)] {
        check(&fixtures::long(), window, |browser| {
            for look in ["fit", "near"] {
                if look == "fit" {
                    click(browser, "#fit");
                } else {
                    let (x, y) = middle(browser, &node("step_20"));
                    browser.wheel(x, y, -1000);
                }
                let ids = browser.run("return nodes.map(node => node.id)");
                for id in ids.as_array().unwrap() {
                    let id = id.as_str().unwrap();
                    let (x, y) = middle(browser, &node(id));
                    let there = browser.run(&format!("return Boolean(document.elementFromPoint({x}, {y})?.closest(\".node[data-id='{id}']\"))"));
                    if there != true {
                        continue;
                    }
                    hover(browser, &node(id));
                    browser.until(&format!("!panel.hidden && nodes[showing.node]?.id === '{id}'"));
                    let [left, top, right, bottom] = rectangle(browser, "#panel");
                    let size = browser.run("return [innerWidth, innerHeight]");
                    assert!(
                        left >= 0.0 && top >= 0.0 && right <= size[0].as_f64().unwrap() && bottom <= size[1].as_f64().unwrap(),
                        "{id} {look}: {left} {top} {right} {bottom}"
                    );
                    assert!(x < left || x > right || y < top || y > bottom, "{id} {look} covers the pointer");
                    assert!(bottom - top > 60.0, "{id} {look} has no room");
                }
            }
        });
    }
}

#[test]
fn untouched_keys_come_and_go() {
    check(&fixtures::translate(), DESKTOP, |browser| {
        let shown = "[...document.querySelectorAll('.edge.untouched')].map(edge => getComputedStyle(edge).display !== 'none')";
        assert_eq!(browser.run(&format!("return {shown}")), json!([false]));
        let before = rectangle(browser, &node("step_1"));
        click(browser, "#untouched");
        assert_eq!(browser.run(&format!("return {shown}")), json!([true]));
        assert_eq!(browser.run("return document.getElementById('untouched').getAttribute('aria-checked')"), "true");
        assert!(rectangle(browser, &node("step_1")).iter().zip(before).all(|(now, then)| (now - then).abs() < 0.5));
        click(browser, "#untouched");
        assert_eq!(browser.run(&format!("return {shown}")), json!([false]));
    });
}

#[test]
fn the_wheel_zooms_to_the_pointer_and_the_ground_pans() {
    check(&fixtures::long(), DESKTOP, |browser| {
        let (x, y) = middle(browser, &node("step_2"));
        let before = rectangle(browser, &node("step_2"));
        browser.wheel(x, y, -300);
        let after = rectangle(browser, &node("step_2"));
        assert!(after[2] - after[0] > 1.3 * (before[2] - before[0]));
        let (now_x, now_y) = middle(browser, &node("step_2"));
        assert!((now_x - x).abs() < 2.0 && (now_y - y).abs() < 2.0);
        browser.mouse(&[Mouse::To(300.0, 200.0), Mouse::Down, Mouse::To(320.0, 220.0), Mouse::To(400.0, 250.0), Mouse::Up]);
        let moved = rectangle(browser, &node("step_2"));
        assert!((moved[0] - after[0] - 100.0).abs() < 2.0 && (moved[1] - after[1] - 50.0).abs() < 2.0);
        click(browser, "#fit");
        let [left, top, right, bottom] = rectangle(browser, "#nodes");
        let [canvas_left, canvas_top, canvas_right, canvas_bottom] = rectangle(browser, "#canvas");
        assert!(left >= canvas_left && top >= canvas_top && right <= canvas_right && bottom <= canvas_bottom);
    });
}

#[test]
fn a_key_is_followed_through_the_graph() {
    check(&fixtures::long(), DESKTOP, |browser| {
        click(browser, "#search");
        browser.keys(&["d", "o", "m", "a", "i", "n"]);
        browser.until("document.body.classList.contains('tracing')");
        let on = browser.run("return [...document.querySelectorAll('.node.on')].map(node => node.dataset.id)");
        assert_eq!(on, json!(["step_11", "step_13", "step_23", "output"]));
        browser.keys(&["\u{e00c}"]);
        browser.until("!document.body.classList.contains('tracing')");
        click(browser, "#fit");
        hover(browser, "#labels tspan[data-key='ngram_score']");
        browser.until("document.querySelectorAll('.edge.on').length === 2");
    });
}

#[test]
fn the_page_speaks_chinese_and_turns_dark() {
    check(&fixtures::translate(), DESKTOP, |browser| {
        let ground = browser.run("return getComputedStyle(document.body).backgroundColor");
        click(browser, "#theme");
        assert_ne!(browser.run("return getComputedStyle(document.body).backgroundColor"), ground);
        click(browser, "#language");
        browser.until("document.querySelector(\".node[data-id='input']\").textContent.includes('输入') && document.documentElement.lang === 'zh'");
        browser.until("document.getElementById('facts').textContent.includes('3 个步骤')");
    });
}

#[test]
fn nodes_can_be_reached_by_keyboard() {
    check(&fixtures::long(), DESKTOP, |browser| {
        browser.run("document.querySelector('#theme').focus()");
        browser.keys(&["\u{e004}"; 15]);
        let id = browser.run("return document.activeElement.dataset.id").as_str().unwrap().to_owned();
        browser.until(&format!("!panel.hidden && nodes[showing.node].id === '{id}'"));
        let [_, top, _, bottom] = rectangle(browser, &node(&id));
        assert!(top > 0.0 && bottom < 1000.0);
        browser.keys(&["\u{e007}"]);
        browser.until("panel.classList.contains('pinned') && document.activeElement.className === 'close'");
        browser.keys(&["\u{e007}"]);
        browser.until(&format!("panel.hidden && document.activeElement.dataset.id === '{id}'"));
    });
}

#[test]
fn a_telephone_taps_and_pinches() {
    check(&fixtures::long(), PHONE, |browser| {
        assert_eq!(browser.run("return document.documentElement.scrollWidth <= innerWidth"), true);
        boxes_apart(browser);
        let finger = |id: &str, points: &[(f64, f64)]| {
            let to = |(x, y): (f64, f64)| json!({ "type": "pointerMove", "duration": 0, "origin": "viewport", "x": x.round() as i64, "y": y.round() as i64 });
            let mut actions = vec![to(points[0]), json!({ "type": "pointerDown", "button": 0 })];
            actions.extend(points[1..].iter().copied().map(to));
            actions.push(json!({ "type": "pointerUp", "button": 0 }));
            json!({ "type": "pointer", "id": id, "parameters": { "pointerType": "touch" }, "actions": actions })
        };
        let (x, y) = middle(browser, &node("step_2"));
        browser.act(&json!([finger("one", &[(x, y)])]));
        browser.until("!panel.hidden && panel.innerText.includes('HtmlUrlRemoverRefiner')");
        let [left, top, right, bottom] = rectangle(browser, "#panel");
        assert!(left >= 0.0 && top >= 0.0 && right <= 420.0 && bottom <= 800.0, "{left} {top} {right} {bottom}");
        assert!(x < left || x > right || y < top || y > bottom);

        let before = rectangle(browser, &node("step_1"));
        let spread = [(180.0, 400.0), (150.0, 400.0), (120.0, 400.0)];
        let apart = [(240.0, 400.0), (270.0, 400.0), (300.0, 400.0)];
        browser.act(&json!([finger("one", &spread), finger("two", &apart)]));
        let after = rectangle(browser, &node("step_1"));
        assert!(((after[2] - after[0]) / (before[2] - before[0]) - 3.0).abs() < 0.1, "{before:?} {after:?}");
    });
}
