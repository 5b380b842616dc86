/** What the store must know of a kind of recording: HAR entries, or exchanges of commands. */
export interface Form<Item> {
  /** Throws RECORDING_INVALID with all faults. */
  parse(text: string, file: string): Item[]
  render(items: readonly Item[]): string
  /** Equal for equal requests; the order of a recording is that of these keys. */
  keyOf(item: Item): string
  /** Equal for equal answers. */
  answerOf(item: Item): string
  /** How often the answer came in a row. */
  repeatsOf(item: Item): number
  withRepeats(item: Item, repeats: number): Item
  /** Names of the files that hold its bodies. */
  files(item: Item): string[]
}

/** Items by what they answer, in the order of the keys; those of one key keep their order. */
export function groups<Item>(items: readonly Item[], form: Form<Item>): Map<string, Item[]> {
  const byKey = new Map<string, Item[]>()
  for (const item of items) {
    const key = form.keyOf(item)
    const group = byKey.get(key)
    if (group === undefined) byKey.set(key, [item])
    else group.push(item)
  }
  return new Map([...byKey].sort(([a], [b]) => (a < b ? -1 : 1)))
}

/** What a recording holds after a session: requests that the session recorded have its answers, all others keep theirs. */
export function afterSession<Item>(
  before: readonly Item[],
  session: readonly Item[],
  form: Form<Item>,
  countsRepeats: boolean,
): Item[] {
  const recorded = groups(session, form)
  const kept = before.filter((item) => !recorded.has(form.keyOf(item)))
  const fresh = [...recorded.values()].flatMap((group) => collapse(group, form, countsRepeats))
  return [...groups([...kept, ...fresh], form).values()].flat()
}

/** Equal answers that follow each other become one. */
function collapse<Item>(group: readonly Item[], form: Form<Item>, countsRepeats: boolean): Item[] {
  const runs: Item[] = []
  for (const item of group) {
    const last = runs.at(-1)
    if (last === undefined || form.answerOf(last) !== form.answerOf(item)) runs.push(item)
    else if (countsRepeats) runs[runs.length - 1] = form.withRepeats(last, form.repeatsOf(last) + form.repeatsOf(item))
  }
  return runs
}

/** All that any of the recordings holds; the same whatever their order, and a recording with itself is itself. */
export function union<Item>(recordings: readonly (readonly Item[])[], form: Form<Item>): Item[] {
  const byKey = new Map<string, Item[][]>()
  for (const recording of recordings) {
    for (const [key, group] of groups(recording, form)) byKey.set(key, [...(byKey.get(key) ?? []), group])
  }
  const merged = [...byKey.values()].flatMap((sequences) => unionOfSequences(sequences, form))
  return [...groups(merged, form).values()].flat()
}

/** The longest sequence whole, then the answers that it lacks. */
function unionOfSequences<Item>(sequences: Item[][], form: Form<Item>): Item[] {
  const longestFirst = sequences
    .map((items) => ({ items, text: JSON.stringify(items) }))
    .sort((a, b) => b.items.length - a.items.length || (a.text < b.text ? -1 : 1))
  const merged: Item[] = []
  const seen = new Set<string>()
  for (const { items } of longestFirst) {
    const isFirst = merged.length === 0
    for (const item of items) {
      const answer = form.answerOf(item)
      if (isFirst || !seen.has(answer)) merged.push(item)
      seen.add(answer)
    }
  }
  return merged
}
