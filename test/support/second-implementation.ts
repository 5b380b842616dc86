import { execFileSync } from 'node:child_process'

/** What a Python program prints as JSON, given `input` on its stdin; undefined, with one line that says why, where this machine has no SciPy. */
export function askSciPy<T>(program: string, input: unknown): T | undefined {
  try {
    execFileSync('python3', ['-c', 'import scipy'], { stdio: 'ignore' })
  } catch {
    console.log('skipped: python3 with SciPy is not on this machine; pip install scipy')
    return undefined
  }
  const text = execFileSync(
    'python3',
    ['-c', `import json, sys\nfrom scipy import stats\ndata = json.load(sys.stdin)\n${program}`],
    {
      input: JSON.stringify(input),
      encoding: 'utf8',
    },
  )
  return JSON.parse(text) as T
}
