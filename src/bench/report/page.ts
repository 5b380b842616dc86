import { escapeXml } from './xml.ts'

const STYLE = `
:root { color-scheme: light dark; --ink: #1b1f24; --paper: #fff; --faint: #d6dae0; --soft: #59636e; --s0: #0969da; --s1: #bc4c00; --s2: #8250df; --s3: #1a7f37; --bad: #cf222e; --good: #1a7f37 }
@media (prefers-color-scheme: dark) { :root { --ink: #e6edf3; --paper: #0d1117; --faint: #30363d; --soft: #9198a1; --s0: #58a6ff; --s1: #f0883e; --s2: #bc8cff; --s3: #3fb950; --bad: #ff7b72; --good: #3fb950 } }
body { font: 15px/1.5 system-ui, sans-serif; color: var(--ink); background: var(--paper); max-width: 860px; margin: 2rem auto; padding: 0 1rem }
h1 { font-size: 1.4rem } h2 { font-size: 1.1rem; margin-top: 2rem; border-bottom: 1px solid var(--faint) }
table { border-collapse: collapse; width: 100% } th, td { text-align: left; padding: .25rem .6rem .25rem 0; border-bottom: 1px solid var(--faint); font-variant-numeric: tabular-nums; vertical-align: top }
th { color: var(--soft); font-weight: 500 } .soft, .small { color: var(--soft) } .slower, .failed { color: var(--bad) } .faster, .same, .passed { color: var(--good) }
svg { max-width: 100%; height: auto; display: block; margin: .5rem 0 } svg text { fill: var(--ink); font: 12px system-ui, sans-serif } svg text.small { fill: var(--soft); font-size: 11px }
.grid { stroke: var(--faint) } .axis { stroke: var(--soft) } .band { fill: var(--faint); opacity: .5 } .trend { stroke: var(--s0); opacity: .4 } .step { stroke: var(--bad); stroke-dasharray: 4 3 }
.bad { fill: var(--bad); opacity: .75 } pre { overflow: auto; background: var(--faint); padding: .6rem; font-size: 12px }
.side0 { fill: var(--s0); opacity: .75 } .side1 { fill: var(--s1); opacity: .75 } .side2 { fill: var(--s2); opacity: .75 } .side3 { fill: var(--s3); opacity: .75 } .outlier { stroke: var(--bad); stroke-width: 1.5 }
.median0 { stroke: var(--s0) } .median1 { stroke: var(--s1) } .median2 { stroke: var(--s2) } .median3 { stroke: var(--s3) }
.range { stroke: var(--soft); stroke-width: 3 } .range.slower { stroke: var(--bad) } .range.faster, .range.same { stroke: var(--good) }
circle.slower { fill: var(--bad) } circle.faster, circle.same { fill: var(--good) } circle.cannot-tell { fill: var(--soft) }
.key { display: inline-block; width: .8em; height: .8em; border-radius: 50%; margin: 0 .3em 0 .8em } .key0 { background: var(--s0) } .key1 { background: var(--s1) } .key2 { background: var(--s2) } .key3 { background: var(--s3) }
`

/** Items of HTML as a list; nothing without any. */
export function list(items: string[]): string[] {
  return items.length === 0 ? [] : [`<ul>${items.map((item) => `<li>${item}</li>`).join('')}</ul>`]
}

/** A whole page of HTML: nothing in it is fetched or run. */
export function page(title: string, parts: string[]): string {
  return `<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<title>${escapeXml(title)}</title><style>${STYLE}</style></head>
<body><h1>${escapeXml(title)}</h1>
${parts.filter(Boolean).join('\n')}
</body></html>
`
}
