# What Doxygen reads in place of a file. The chapters of nanograd.h, which begin with comments such as
#   /* ---- Losses ----------
#    * Each gives a scalar. */
# become groups of functions, pages of their own; no line moves. On Markdown pages, links to what the
# manual does not have, such as sources, become plain text.
FILENAME ~ /\.md$/ {
  while (match($0, /\[[^]]*\]\([^)#: ]+\)/)) {
    link = substr($0, RSTART, RLENGTH)
    printf "%s", substr($0, 1, RSTART - 1)
    $0 = substr($0, RSTART + RLENGTH)
    text = substr(link, 2, index(link, "](") - 2)
    printf "%s", link ~ /\.md\)$/ && link !~ /bindings\// ? link : text
  }
}

/^\/\* ---- / {
  title = $0
  sub(/^\/\* ---- /, "", title)
  sub(/ -+( \*\/)?$/, "", title)
  id = title
  gsub(/[^A-Za-z]+/, "_", id)
  rest = / \*\/$/ ? " */" : ""
  $0 = (inside ? "/** @} */ " : "") "/** @defgroup chapter_" id " " title rest
  inside = opening = 1
}
opening && /\*\/$/ {
  $0 = $0 " /** @{ */"
  opening = 0
}
inside && /^#endif \/\* NANOGRAD_H \*\/$/ { $0 = "/** @} */ " $0 }

{ print }
