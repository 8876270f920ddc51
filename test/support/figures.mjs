// The runner's side of figures.ts: takes what the tests gathered, adds it up place by place, and says it at the end.

/** What was gathered since the last call. */
export function takeFigures() {
  const figures = globalThis.BMS_FIGURES ?? { counts: {}, worst: { error: 0, where: '' } }
  globalThis.BMS_FIGURES = undefined
  return figures
}

/** Both together. */
export function addFigures(a, b) {
  const counts = { ...a.counts }
  for (const [name, n] of Object.entries(b.counts)) counts[name] = (counts[name] ?? 0) + n
  return { counts, worst: a.worst.error >= b.worst.error ? a.worst : b.worst }
}

const list = (counts, names) => names.filter((name) => counts[name]).map((name) => `${name} ${counts[name]}`)

/** Kinds of cases of the table of ops, by what is counted of them. */
const values = ['forward', 'torch', 'layouts', 'compiled', 'f16', 'memory', 'state', 'errors']
const gradients = ['gradcheck', 'torch gradient', 'compiled gradient']

/** The figures of all places as lines of text; `places` have `where` and `figures`. */
export function figureLines(places) {
  const lines = []
  const everywhere = places.map((p) => p.figures).reduce(addFigures, { counts: {}, worst: { error: 0, where: '' } })
  const { counts, worst } = everywhere
  if (counts['public names'])
    lines.push(`table: ${counts['covered names']} ops, modules and losses in ${counts.rows} rows, of ${counts['public names']} public`)
  for (const { where, figures } of places) {
    const c = figures.counts
    if (!c.forward) continue
    const others = Object.keys(c).filter((name) => name.startsWith('case ') && ![...values, ...gradients].includes(name.slice(5)))
    const sum = (names) => names.reduce((total, name) => total + (c[name] ?? 0), 0)
    lines.push(
      `${where}: values ${sum(values)}, gradients ${sum(gradients)}, second gradients ${c.gradgradcheck ?? 0}${others.map((n) => `, ${n.slice(5)} ${c[n]}`).join('')}`,
    )
  }
  lines.push(...list(counts, ['goldens', 'programs', 'variants', 'mutations']))
  if (worst.error > 0) lines.push(`worst error ${worst.error.toExponential(1)} of the scale: ${worst.where}`)
  return lines
}
