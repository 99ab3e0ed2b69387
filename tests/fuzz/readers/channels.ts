#a
@problemName X
@timeStamps false
@univariate false
@classLabel true a b
@data
1,2,3:4,?,6:a
7,8:9,NaN:b
