import type { Absence, Substitution } from './types.ts'

/** Gathers what `localise` changes. Entries of one id are one entry, which touches what each of them touched. */
export class Recorder {
  readonly substitutions: Substitution[] = []
  readonly absences: Absence[] = []

  substitute(entry: Substitution): void {
    merge(this.substitutions, entry)
  }

  miss(entry: Absence): void {
    merge(this.absences, entry)
  }
}

function merge<T extends Absence>(entries: T[], entry: T): void {
  const known = entries.find((candidate) => candidate.id === entry.id)
  if (!known) entries.push({ ...entry })
  else if (entry.touches) known.touches = [...(known.touches ?? []), ...entry.touches]
}
