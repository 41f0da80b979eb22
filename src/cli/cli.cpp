namespace holdfast::cli {}
