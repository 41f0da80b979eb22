namespace holdfast::supervisor {}
