#include "svg.h"

void svg_begin(FILE *file, int width, int height) {
  fprintf(file,
          "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"%d\" height=\"%d\" "
          "viewBox=\"0 0 %d %d\">\n"
          "<style>text{font:12px system-ui,Helvetica,Arial,sans-serif;fill:#475569}"
          ".title{font-size:17px;font-weight:600;fill:#0f172a}"
          ".name{font-size:14px;font-weight:600;fill:#0f172a}"
          ".end{text-anchor:end}.middle{text-anchor:middle}"
          ".grid{stroke:#e2e8f0}.axis{stroke:#64748b}polyline{stroke-linejoin:round;"
          "stroke-linecap:round}</style>\n"
          "<rect width=\"100%%\" height=\"100%%\" fill=\"#fff\"/>\n",
          width, height, width, height);
}

void svg_text(FILE *file, double x, double y, const char *attributes, const char *text) {
  fprintf(file, "<text x=\"%.1f\" y=\"%.1f\" %s>", x, y, attributes);
  for (; *text != '\0'; text++)
    if (*text == '<')
      fputs("&lt;", file);
    else if (*text == '&')
      fputs("&amp;", file);
    else
      fputc(*text, file);
  fputs("</text>\n", file);
}
