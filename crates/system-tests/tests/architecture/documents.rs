//! Links of all Markdown: files exist, anchors exist, and a link to a line of code leads to what its text
//! names.

use std::fs;

use test_support::{variable, workspace_root};

use super::{File, assert_none, files};

/// A link, `[text](target)` or `[label]: target`, outside of code.
struct Link {
    text: String,
    target: String,
}

fn links(markdown: &str) -> Vec<Link> {
    let mut found = Vec::new();
    for line in prose(markdown) {
        if let Some((label, target)) = line.strip_prefix('[').and_then(|rest| rest.split_once("]: ")) {
            found.push(Link { text: label.to_owned(), target: target.trim().to_owned() });
            continue;
        }
        let mut rest = line;
        while let Some(end) = rest.find("](") {
            let text = rest[..end].rsplit('[').next().unwrap_or("").to_owned();
            rest = &rest[end + 2..];
            let target = rest.split(')').next().unwrap_or("").trim_matches(['<', '>']).to_owned();
            found.push(Link { text, target });
        }
    }
    found
}

/// The lines outside of fenced and indented code.
fn prose(markdown: &str) -> impl Iterator<Item = &str> {
    let mut fenced = false;
    markdown.lines().filter(move |line| {
        let fence = line.starts_with("```");
        fenced ^= fence;
        !fenced && !fence && !line.starts_with("    ")
    })
}

/// The anchors of the headings, as GitHub and mdBook make them.
fn anchors(markdown: &str) -> Vec<String> {
    let slug = |heading: &str| {
        let kept = heading.to_lowercase().replace(' ', "-");
        kept.chars().filter(|c| c.is_alphanumeric() || ['-', '_'].contains(c)).collect()
    };
    prose(markdown)
        .filter(|line| line.starts_with('#'))
        .map(|line| slug(line.trim_start_matches('#').trim()))
        .collect()
}

/// What is wrong with a link of `document`; `None` for a link that leads somewhere, and for one to another
/// host.
fn fault(document: &File, link: &Link, markdown: &[File]) -> Option<String> {
    if link.target.contains("://") || link.target.starts_with("mailto:") {
        return None;
    }
    let (path, anchor) = link.target.split_once('#').unwrap_or((&link.target, ""));
    let directory = document.path.rsplit_once('/').map_or("", |(directory, _)| directory);
    let file = match path {
        "" => workspace_root().join(&document.path),
        path => workspace_root().join(directory).join(path),
    };
    let Ok(file) = file.canonicalize() else { return Some(format!("{path} does not exist")) };
    if anchor.is_empty() {
        return None;
    }
    if let Some(line) = anchor.strip_prefix('L') {
        let text = fs::read_to_string(&file).unwrap_or_default();
        let line: usize = line.parse().ok()?;
        let found = text.lines().nth(line - 1).unwrap_or("");
        return (!found.contains(link.text.trim_matches('`')))
            .then(|| format!("line {line} of {path} does not contain {}", link.text));
    }
    let relative = file.strip_prefix(workspace_root()).ok()?.to_string_lossy().into_owned();
    let target = markdown.iter().find(|file| file.path == relative)?;
    (!anchors(&target.text).iter().any(|known| known == anchor))
        .then(|| format!("{path} has no heading for #{anchor}"))
}

/// With `UPDATE_LINES=1`, links to a line of code get the first line that contains their text as a
/// definition.
fn update_lines(document: &File) {
    let directory = document.path.rsplit_once('/').map_or("", |(directory, _)| directory);
    let mut text = document.text.clone();
    for link in links(&document.text) {
        let Some((path, _)) = link.target.split_once("#L") else { continue };
        let code = fs::read_to_string(workspace_root().join(directory).join(path)).unwrap_or_default();
        let name = link.text.trim_matches('`');
        let defines = |line: &&str| {
            ["fn ", "struct ", "const ", "trait ", "enum "]
                .iter()
                .any(|word| line.contains(&format!("{word}{name}")))
        };
        let line = code
            .lines()
            .position(|line| defines(&line))
            .or_else(|| code.lines().position(|line| line.contains(name)));
        if let Some(line) = line {
            let (old, new) = (
                format!("[{}]({})", link.text, link.target),
                format!("[{}]({path}#L{})", link.text, line + 1),
            );
            text = text.replace(&old, &new);
        }
    }
    fs::write(workspace_root().join(&document.path), text).unwrap();
}

#[test]
fn links_in_documents_lead_somewhere() {
    let mut markdown = files(".md");
    assert!(markdown.iter().any(|file| file.path == "docs/SUMMARY.md"));
    if !variable("UPDATE_LINES").is_empty() {
        markdown.iter().for_each(update_lines);
        markdown = files(".md");
    }
    let mut faults = Vec::new();
    for document in &markdown {
        for link in links(&document.text) {
            if let Some(fault) = fault(document, &link, &markdown) {
                faults.push(format!("{}: {fault}", document.path));
            }
        }
    }
    assert_none(&faults);
}

#[test]
fn planted_dead_links_are_found() {
    let found = |text: &str| {
        let document = File { path: "docs/x.md".to_owned(), text: text.to_owned() };
        let markdown = [File { path: "README.md".to_owned(), text: "# A b-c: (d)\n".to_owned() }];
        links(text).iter().filter_map(|link| fault(&document, link, &markdown)).collect::<Vec<_>>()
    };
    for dead in [
        "[a](nowhere.md)",
        "[a][b]\n\n[b]: nowhere.md",
        "[a](../README.md#other)",
        "[`fn x`](../README.md#L1)",
    ] {
        assert_eq!(found(dead).len(), 1, "{dead}: {:?}", found(dead));
    }
    let sound = "[a](../README.md#a-b-c-d), [b](https://example.com)\n\n    [e](f)\n";
    assert_none(&found(sound));
}

#[test]
fn documents_of_the_book_are_all_in_its_summary() {
    let markdown = files(".md");
    let summary = &markdown.iter().find(|file| file.path == "docs/SUMMARY.md").unwrap().text;
    let missing = markdown.iter().filter(|file| {
        file.path
            .strip_prefix("docs/")
            .is_some_and(|path| path != "SUMMARY.md" && !summary.contains(&format!("({path})")))
    });
    assert_none(&missing.map(|file| file.path.clone()).collect::<Vec<_>>());
}
