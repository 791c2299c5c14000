//! The corpus, section by section. In: Markdown files in the form that tests/corpus/README.md describes. Out: a test for every
//! section, with its manifests and its tables.

use std::{io, ops::Range, path::Path};

use libtest_mimic::{Failed, Trial};
use pulldown_cmark::{CodeBlockKind, Event, HeadingLevel, Options, Parser, Tag, TagEnd};
use ringfence_analysis::matrix::{self, Matrix};
use ringfence_manifest::{Input, Loaded};

/// How a section is checked: the name of its file, the text of the file, the section.
pub(crate) type Check = fn(&str, &str, &Section) -> Result<(), Failed>;

/// A test for every section of the corpus.
pub(crate) fn trials(check: Check) -> Vec<Trial> {
    let files = match files() {
        Ok(files) => files,
        Err(error) => {
            let missing = move || Err(format!("the corpus cannot be read: {error}").into());
            return vec![Trial::test("corpus", missing)];
        }
    };
    let mut trials = Vec::new();
    for (name, text) in files {
        let sections = sections(&text);
        if sections.is_empty() {
            trials.push(Trial::test(name.clone(), move || Err(format!("{name} has no section").into())));
            continue;
        }
        for section in sections {
            let (name, text) = (name.clone(), text.clone());
            let title = format!("{name} :: {}", section.title);
            trials.push(Trial::test(title, move || check(&name, &text, &section)));
        }
    }
    trials
}

/// The names and texts of the corpus' files, by name.
pub(crate) fn files() -> io::Result<Vec<(String, String)>> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/corpus");
    let mut files = Vec::new();
    collect(&root, &root, &mut files)?;
    files.sort();
    Ok(files)
}

/// Every file below a directory but the index, by its name below the root.
fn collect(root: &Path, directory: &Path, files: &mut Vec<(String, String)>) -> io::Result<()> {
    for entry in std::fs::read_dir(directory)? {
        let path = entry?.path();
        if path.is_dir() {
            collect(root, &path, files)?;
        } else if path.extension().is_some_and(|extension| extension == "md") && !path.ends_with("README.md")
        {
            let name = path.strip_prefix(root).unwrap_or(&path).to_string_lossy().replace('\\', "/");
            files.push((name, std::fs::read_to_string(&path)?));
        }
    }
    Ok(())
}

/// One case: the manifests of the file and its own, and its tables.
pub(crate) struct Section {
    pub(crate) title: String,
    /// The bytes of the section, its heading included.
    span: Range<usize>,
    /// The bytes of the YAML that counts, shared blocks first.
    blocks: Vec<Range<usize>>,
}

/// The sections of a file: its second-level headings.
pub(crate) fn sections(text: &str) -> Vec<Section> {
    let mut shared: Vec<Range<usize>> = Vec::new();
    let mut sections: Vec<Section> = Vec::new();
    let (mut in_yaml, mut in_heading) = (false, false);
    for (event, range) in Parser::new_ext(text, Options::ENABLE_TABLES).into_offset_iter() {
        match event {
            Event::Start(Tag::Heading { level: HeadingLevel::H2, .. }) => {
                if let Some(last) = sections.last_mut() {
                    last.span.end = range.start;
                }
                let span = range.start..text.len();
                sections.push(Section { title: String::new(), span, blocks: shared.clone() });
                in_heading = true;
            }
            Event::End(TagEnd::Heading(_)) => in_heading = false,
            Event::Text(words) | Event::Code(words) if in_heading => {
                if let Some(section) = sections.last_mut() {
                    section.title.push_str(&words);
                }
            }
            Event::Start(Tag::CodeBlock(CodeBlockKind::Fenced(language))) => in_yaml = &*language == "yaml",
            Event::End(TagEnd::CodeBlock) => in_yaml = false,
            Event::Text(_) if in_yaml => {
                let blocks = sections.last_mut().map_or(&mut shared, |section| &mut section.blocks);
                blocks.push(range);
            }
            _ => {}
        }
    }
    sections
}

impl Section {
    /// The manifests with every line where it is in the file, so that places in messages are right: prose becomes empty
    /// lines, and the fence before a block becomes a document separator.
    pub(crate) fn manifests(&self, text: &str) -> String {
        let mut kept = String::new();
        let mut at = 0;
        for line in text.split_inclusive('\n') {
            let end = at + line.len();
            let inside = self.blocks.iter().any(|block| block.start <= at && at < block.end);
            let fence = self.blocks.iter().any(|block| block.start == end);
            kept.push_str(match (inside, fence) {
                (true, _) => line,
                (false, true) => "---\n",
                (false, false) => "\n",
            });
            at = end;
        }
        kept
    }

    /// The cluster of the section.
    pub(crate) fn read(&self, name: &str, text: &str) -> Loaded {
        let input = Input { name: name.to_owned(), text: self.manifests(text) };
        ringfence_manifest::read(vec![input], &ringfence_manifest::Options::default())
    }

    /// The tables of the section, with their lines in the file.
    pub(crate) fn matrix(&self, text: &str) -> Matrix {
        let above = text.get(..self.span.start).unwrap_or_default().matches('\n').count();
        matrix::markdown::read(&format!("{}{}", "\n".repeat(above), self.text(text)))
    }

    pub(crate) fn text<'a>(&self, file: &'a str) -> &'a str {
        file.get(self.span.clone()).unwrap_or_default()
    }
}
