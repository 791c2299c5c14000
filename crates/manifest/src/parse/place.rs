//! Characters to bytes. In: a document's text. Out: the byte, within the source, of its n-th character.

/// Where the characters of a document stand in the source text.
pub(super) struct Places<'a> {
    text: &'a str,
    base: u32,
    /// The byte of every [`STEP`]-th character; none for a text whose characters are bytes.
    steps: Option<Vec<u32>>,
}

const STEP: usize = 64;

impl<'a> Places<'a> {
    pub(super) fn new(text: &'a str, base: u32) -> Self {
        let steps = (!text.is_ascii()).then(|| {
            text.char_indices().step_by(STEP).filter_map(|(byte, _)| u32::try_from(byte).ok()).collect()
        });
        Self { text, base, steps }
    }

    /// The byte within the document at which character `index` starts; the document's length behind its last one.
    pub(super) fn byte(&self, index: usize) -> usize {
        let Some(steps) = &self.steps else { return index.min(self.text.len()) };
        let step = steps.get(index / STEP).map_or(self.text.len(), |byte| *byte as usize);
        let rest = self.text.get(step..).unwrap_or_default();
        rest.char_indices().nth(index % STEP).map_or(self.text.len(), |(byte, _)| step + byte)
    }

    /// Bytes of the document as bytes of the source.
    pub(super) fn span(&self, bytes: std::ops::Range<usize>) -> std::ops::Range<u32> {
        self.source(bytes.start)..self.source(bytes.end)
    }

    fn source(&self, byte: usize) -> u32 {
        self.base.saturating_add(u32::try_from(byte).unwrap_or(u32::MAX))
    }
}
