/** Whether a text from elsewhere names a commit in full, so that git's command line can take it for nothing else. */
export function isCommitId(text: string): boolean {
  return /^[0-9a-f]{40,64}$/.test(text)
}
