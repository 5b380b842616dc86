/** Names come from files of users: nothing of them is markup, nothing ends a cell, and nobody is called by a mention. */
export function escapeMarkdown(text: string): string {
  return text
    .replace(/[\\`*_{}[\]<>|#]/g, (mark) => `\\${mark}`)
    .replaceAll('@', '@\u200B')
    .replace(/\s+/g, ' ')
}
