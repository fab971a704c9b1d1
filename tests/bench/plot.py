"""A line over time as an SVG: a few lines of text, no library."""

WIDTH, HEIGHT, LEFT, TOP, BOTTOM = 760, 260, 60, 40, 30


def nice_top(value):
    """The smallest of 1, 2, 5, 10, 20, 50 ... that is not below it."""
    top = 1
    while top < value:
        top *= 2.5 if str(top)[0] == '2' else 2
        top = int(top)
    return top


def svg(values_us, step_s, marks_s, title):
    """`values_us` every `step_s` seconds; a dashed line at each of `marks_s`."""
    top = nice_top(max(values_us + [1]))
    end = len(values_us) * step_s
    width, height = WIDTH - LEFT - 10, HEIGHT - TOP - BOTTOM
    x = lambda s: LEFT + width * s / end
    y = lambda us: TOP + height * (1 - us / top)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" '
        'font-family="sans-serif" font-size="12">',
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="white"/>',
        f'<text x="{LEFT}" y="20">{title}</text>',
    ]
    for i in range(5):
        us = top * i / 4
        parts.append(f'<line x1="{LEFT}" y1="{y(us):.1f}" x2="{WIDTH - 10}" y2="{y(us):.1f}" '
                     'stroke="#ddd"/>')
        parts.append(f'<text x="{LEFT - 6}" y="{y(us) + 4:.1f}" text-anchor="end">'
                     f'{us / 1000:g} ms</text>')
    for second in range(int(end) + 1):
        parts.append(f'<text x="{x(second):.1f}" y="{HEIGHT - 10}" text-anchor="middle">'
                     f'{second} s</text>')
    for mark in marks_s:
        parts.append(f'<line x1="{x(mark):.1f}" y1="{TOP}" x2="{x(mark):.1f}" '
                     f'y2="{TOP + height}" stroke="#c00" stroke-dasharray="4"/>')
    points = ' '.join(f'{x((i + 0.5) * step_s):.1f},{y(us):.1f}' for i, us in enumerate(values_us))
    parts.append(f'<polyline points="{points}" fill="none" stroke="#06c"/>')
    return '\n'.join(parts + ['</svg>', ''])
