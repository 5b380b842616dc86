/** Names that are never a service's: of version control, what editors leave aside while they save, and what systems litter folders with. */
const NAMES = new Set(['.git', '.hg', '.svn', '.jj', 'CVS', '4913', '.DS_Store', 'Thumbs.db', 'desktop.ini'])

const KINDS: [pattern: RegExp, what: string][] = [
  [/~$/, "an editor's backup"],
  [/^\..+\.sw[a-z]$|\.sw[opx]$|\.kate-swp$/, "an editor's swap file"],
  [/^#.*#$|^\.#/, "Emacs' autosave or lock"],
  [/___jb_(tmp|old)___$/, "JetBrains' safe write"],
  [/^\.goutputstream-/, "GNOME's safe write"],
  [/\.har$|\.(?:har|jsonl)\.(?:journal|lock|bodies|\d+\.\d+\.tmp)$/, 'a recording of shiv proxy'],
  [/^\._|^\.nfs[0-9a-f]{8,}$|^\.fuse_hidden/, "a file system's own"],
]

const ANY = new RegExp(
  [...[...NAMES].map((name) => `^${name.replace('.', '\\.')}$`), ...KINDS.map(([pattern]) => pattern.source)].join('|'),
)

/** Why a name is ignored wherever it stands; undefined when it is not. */
export function alwaysIgnored(name: string): string | undefined {
  if (!ANY.test(name)) return undefined
  if (NAMES.has(name)) return name
  return KINDS.find(([pattern]) => pattern.test(name))?.[1]
}
