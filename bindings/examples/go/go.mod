module example/logistic

go 1.19
