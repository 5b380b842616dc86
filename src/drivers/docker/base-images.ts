/**
 * The images that a Dockerfile starts from or copies from, in order of appearance, build arguments filled in.
 * Stages of its own, `scratch` and names that hold an unknown variable are left out.
 */
export function baseImages(dockerfile: string, args: Record<string, string>): string[] {
  const globals: Record<string, string> = {}
  const stages = new Set<string>(['scratch'])
  const found = new Set<string>()
  let inStage = false
  for (const line of instructions(dockerfile)) {
    const [word = '', ...rest] = line.split(/\s+/)
    const keyword = word.toUpperCase()
    if (keyword === 'ARG' && !inStage) {
      const [name = '', ...value] = rest.join(' ').split('=')
      globals[name] = args[name] ?? value.join('=').replace(/^["']|["']$/g, '')
    } else if (keyword === 'FROM') {
      inStage = true
      const words = rest.filter((part) => !part.startsWith('--'))
      add(words[0])
      if (words[1]?.toUpperCase() === 'AS' && words[2]) stages.add(words[2].toLowerCase())
    } else if (keyword === 'COPY' || keyword === 'RUN') {
      for (const match of line.matchAll(/(?:--from=|,from=)([^\s,]+)/g)) add(match[1])
    }
  }
  return [...found]

  function add(name: string | undefined): void {
    const image = name?.replace(/\$\{(\w+)\}|\$(\w+)/g, (whole, braced, plain) => globals[braced ?? plain] ?? whole)
    if (image === undefined || image.includes('$') || stages.has(image.toLowerCase()) || /^\d+$/.test(image)) return
    found.add(image)
  }
}

function instructions(dockerfile: string): string[] {
  return dockerfile
    .split(/\r?\n/)
    .filter((line) => !/^\s*#/.test(line))
    .join('\n')
    .replace(/\\[ \t]*\n/g, ' ')
    .split('\n')
    .map((line) => line.trim())
    .filter((line) => line !== '')
}
